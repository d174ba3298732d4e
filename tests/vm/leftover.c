/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service that SIGTERM does not end: one process waits for its vfork(2) child, which takes no
 * signal but SIGKILL (state D), the other sleeps. Writes a line to FILE when both are there.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	FILE *f;

	if (argc != 2)
		return 2;
	signal(SIGTERM, SIG_IGN);
	if (vfork() == 0) {
		f = fopen(argv[1], "w");
		if (!f)
			_exit(1);
		fputs("ready\n", f);
		fclose(f);
		for (;;)
			pause();
	}
	return 0;
}
