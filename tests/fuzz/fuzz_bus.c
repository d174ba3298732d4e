/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that a client sent: the first says to what, and how many more there were. */
#include <stdlib.h>
#include <string.h>

#include "svctrace/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum wire_endpoint endpoint, const struct bus_message *m)
{
	char text[100], built[8192];

	if (m->unit.s && !unit_name_is_valid(m->unit))
		abort();
	bus_describe(text, sizeof(text), m);
	if (strlen(text) >= sizeof(text))
		abort();
	if (bus_build(built, sizeof(built), endpoint, m) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bus_messages all;
	enum wire_endpoint endpoint;
	uint64_t number;
	char text[32];
	uint8_t *copy;

	if (size == 0)
		return 0;
	endpoint = data[0] & 3;
	/* a copy of its own, so that no byte beyond it is read unnoticed */
	copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy + 1, data + 1, size - 1);
	bus_variant_number(copy + 1, size - 1, &number);
	bus_variant_string(copy + 1, size - 1, text, sizeof(text));
	bus_parse(&all, endpoint, copy + 1, size - 1, size - 1 + (data[0] >> 2));
	if (all.n > BUS_MESSAGES_MAX || all.used > sizeof(all.text))
		abort();
	for (uint32_t i = 0; i < all.n; i++)
		check(endpoint, &all.message[i]);
	free(copy);
	return 0;
}
