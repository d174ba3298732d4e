/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/restart.h"
#include "engine/verdict.h"
#include "svctrace/text.h"

const char *restart_rule_name(enum restart_rule rule)
{
	static const char *const names[RESTART_RULE_MAX] = {
		[RESTART_UNKNOWN] = "unknown",		[RESTART_SETTING] = "setting",
		[RESTART_FORCED] = "force-exit-status", [RESTART_PREVENTED] = "prevent-exit-status",
		[RESTART_ONESHOT] = "oneshot-success",	[RESTART_STOP_ASKED] = "stop-asked",
		[RESTART_STOP_JOB] = "stop-job",	[RESTART_START_LIMIT] = "start-limit",
		[RESTART_NOT_ALLOWED] = "not-allowed",	[RESTART_CALLED_OFF] = "called-off",
	};

	return rule < RESTART_RULE_MAX ? names[rule] : NULL;
}

void ending_learn(struct ending *x, const struct ev *e, struct facts *facts)
{
	const struct ev_service *s = &e->service;
	bool failed_before = s->result && strcmp(s->result, "success") != 0;

	x->seen = true;
	x->allow_restart = s->arg[1] & 1;
	x->mono_ns = e->mono_ns;
	/* the first failure is the one that counts */
	word_copy(x->result, failed_before ? s->result : s->new_result);
	word_copy(x->reason, s->new_result);
	word_copy(x->job_type, s->job_type);
	facts_done(&x->facts);
	if (facts_are_of(facts, e))
		facts_move(&x->facts, facts);
}

void ending_done(struct ending *x)
{
	facts_done(&x->facts);
	*x = (struct ending){};
}

void restart_done(struct verdict_restart *r)
{
	free(r->setting);
	free(r->mode);
	free(r->result);
	free(r->action);
	free(r->text);
	*r = (struct verdict_restart){};
}

/* The table of Restart=: the results that a setting restarts after, or those that it does not. */
static const struct row {
	const char *setting;
	bool restarts; /* … after these; else after all others */
	const char *results[4];
	const char *differs; /* releases differ here */
} table[] = {
	{"no", true, {}, NULL},
	{"always", false, {}, "exec-condition"},
	{"on-success", true, {"success"}, NULL},
	{"on-failure", false, {"success", "exec-condition"}, NULL},
	{"on-abnormal", false, {"success", "exit-code", "exec-condition"}, NULL},
	{"on-abort", true, {"signal", "core-dump"}, NULL},
	{"on-watchdog", true, {"watchdog"}, NULL},
};

/*
 * Whether the setting restarts after the result; -ENOENT for one that is not in the table. Where
 * releases differ, what systemd did tells which of them it is.
 */
static int table_says(const char *setting, const char *result, bool observed)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct row *row = &table[i];

		if (strcmp(row->setting, setting) != 0)
			continue;
		if (row->differs && strcmp(row->differs, result) == 0)
			return observed;
		for (size_t k = 0; k < ARRAY_LEN(row->results) && row->results[k]; k++)
			if (strcmp(row->results[k], result) == 0)
				return row->restarts;
		return !row->restarts;
	}
	return -ENOENT;
}

/*
 * As service_enter_dead() and service_shall_restart() go: the first rule that applies, and whether
 * it restarts. The settings of the exit statuses come before Restart= itself.
 */
static enum restart_rule decide(const struct ending *x, bool observed, bool *ret)
{
	const struct facts *k = &x->facts;
	int says;

	*ret = false;
	/* the restart job of a service that waits for its restart runs stop(), too */
	if (!x->allow_restart && strcmp(x->reason, "start-limit-hit") == 0)
		return RESTART_START_LIMIT;
	/* a stop that was asked for runs in a stop job: the wish is what tells more */
	if (k->f.forbid_restart == 1)
		return RESTART_STOP_ASKED;
	if (strcmp(x->job_type, "stop") == 0)
		return RESTART_STOP_JOB;
	if (!x->allow_restart)
		return RESTART_NOT_ALLOWED;
	if (exit_set_has(&k->f.prevent, k->f.main_code, k->f.main_status))
		return RESTART_PREVENTED;
	if (exit_set_has(&k->f.force, k->f.main_code, k->f.main_status)) {
		/* only some releases make this exception: what was done tells */
		if (!observed && strcmp(k->type, "oneshot") == 0 &&
		    strcmp(x->result, "success") == 0)
			return RESTART_ONESHOT;
		*ret = true;
		return RESTART_FORCED;
	}
	says = table_says(k->restart, x->result, observed);
	*ret = says > 0;
	return says < 0 ? RESTART_UNKNOWN : RESTART_SETTING;
}

bool ending_may_restart(const struct ending *x)
{
	bool yes = false;

	if (x->seen && x->facts.proof.seq)
		decide(x, true, &yes);
	return yes;
}

/* RestartSec=, which grows to RestartMaxDelaySec= in RestartSteps= steps. */
static uint64_t restart_delay(const struct ev_facts *f)
{
	uint64_t first = f->restart_usec, max = f->restart_max_delay_usec;
	uint32_t steps = (uint32_t)f->restart_steps, next = (uint32_t)f->n_restarts + 1;

	if (first == WIRE_USEC_NONE || max == WIRE_USEC_NONE || f->restart_steps == WIRE_NONE ||
	    f->n_restarts == WIRE_NONE || next <= 1 || steps == 0 || first == 0 ||
	    max == UINT64_MAX || first >= max)
		return first;
	if (next > steps)
		return max;
	return (uint64_t)((long double)first *
			  powl((long double)max / first, (long double)(next - 1) / steps));
}

static void set_limit(struct verdict_restart *r, const struct ending *x)
{
	const struct ev_facts *f = &x->facts.f;
	uint64_t now = x->mono_ns / 1000, begin = f->limit_begin_usec;

	r->limit_burst = f->limit_burst;
	r->limit_usec = f->limit_interval_usec;
	r->limit_num = f->limit_num;
	if (begin == WIRE_USEC_NONE || begin > now)
		r->limit_num = WIRE_NONE;
	else if (begin == 0 || now - begin > r->limit_usec)
		r->limit_num = 0; /* the next start begins anew */
}

static int set_word(char **dst, const char *word)
{
	if (!word || !*word)
		return 0;
	*dst = strdup(word);
	return *dst ? 0 : -ENOMEM;
}

/* "exit status 3", "SIGTERM" */
static const char *end_words(const struct ev_facts *f, char buf[static 32])
{
	char name[24];

	if (f->main_code == CLD_EXITED)
		snprintf(buf, 32, "exit status %" PRId32, f->main_status);
	else
		snprintf(buf, 32, "%s", text_signal(f->main_status, name));
	return buf;
}

static void rule_words(const struct verdict_restart *r, const struct ending *x, char *buf, size_t n)
{
	const char *success =
		exit_set_has(&x->facts.f.success, x->facts.f.main_code, x->facts.f.main_status) &&
				r->result && strcmp(r->result, "success") == 0
			? " by SuccessExitStatus="
			: "";
	char end[32];

	end_words(&x->facts.f, end);
	switch (r->rule) {
	case RESTART_SETTING:
		if (strcmp(r->setting, "no") == 0)
			snprintf(buf, n, "Restart=no");
		else
			snprintf(buf, n, "Restart=%s, result %s%s", r->setting, r->result, success);
		break;
	case RESTART_FORCED:
		snprintf(buf, n, "RestartForceExitStatus= has %s", end);
		break;
	case RESTART_PREVENTED:
		snprintf(buf, n, "RestartPreventExitStatus= has %s", end);
		break;
	case RESTART_ONESHOT:
		snprintf(buf, n, "RestartForceExitStatus= has %s, but Type=oneshot and success",
			 end);
		break;
	case RESTART_STOP_ASKED:
		snprintf(buf, n, "a stop was asked for");
		break;
	case RESTART_STOP_JOB:
		snprintf(buf, n, "a stop job waits");
		break;
	case RESTART_START_LIMIT:
		snprintf(buf, n, "started too often");
		break;
	case RESTART_CALLED_OFF:
		snprintf(buf, n, "stopped while it waited for its restart");
		break;
	default:
		snprintf(buf, n, "there is no restart after this end");
		break;
	}
}

/* "; 3 of 5 starts within 10s", if there is a limit. */
static void limit_words(const struct verdict_restart *r, char *buf, size_t n)
{
	char within[32];

	*buf = 0;
	if (r->limit_burst == WIRE_NONE || r->limit_burst == 0 || r->limit_usec == WIRE_USEC_NONE ||
	    r->limit_usec == 0)
		return;
	text_usec(r->limit_usec, within);
	if (r->rule == RESTART_START_LIMIT)
		snprintf(buf, n, "; the limit is %" PRIu32 " starts within %s",
			 (uint32_t)r->limit_burst, within);
	else if (r->restarts && r->limit_num != WIRE_NONE &&
		 (uint32_t)r->limit_num >= (uint32_t)r->limit_burst)
		snprintf(buf, n, "; all %" PRIu32 " starts within %s are used up",
			 (uint32_t)r->limit_burst, within);
	else if (r->restarts && r->limit_num != WIRE_NONE)
		snprintf(buf, n, "; %" PRIu32 " of %" PRIu32 " starts within %s",
			 (uint32_t)r->limit_num, (uint32_t)r->limit_burst, within);
}

/* Without a rule: what is seen to happen, if anything. */
static int set_plain_text(struct verdict *v)
{
	if (v->restart.restarts)
		return set_word(&v->restart.text, "systemd restarts it");
	if (v->cause == CAUSE_RESTART_REQUEST)
		return set_word(&v->restart.text, "its job starts it again");
	return 0;
}

static int set_text(struct verdict *v, const struct ending *x)
{
	char rule[128], limit[96], count[32] = "", delay[32], in[48] = "";
	struct verdict_restart *r = &v->restart;
	int n;

	if (r->rule == RESTART_UNKNOWN || (v->cause == CAUSE_RESTART_REQUEST && !r->restarts))
		return set_plain_text(v);
	rule_words(r, x, rule, sizeof(rule));
	limit_words(r, limit, sizeof(limit));
	if (r->restarts && r->delay_usec != WIRE_USEC_NONE)
		snprintf(in, sizeof(in), " in %s", text_usec(r->delay_usec, delay));
	if (r->restarts && r->count != WIRE_NONE && r->count != 0)
		snprintf(count, sizeof(count), ", again after %" PRIu32, (uint32_t)r->count);
	if (r->restarts)
		n = asprintf(&r->text, "systemd restarts it%s (%s)%s%s", in, rule, count, limit);
	else
		n = asprintf(&r->text, "not restarted (%s)%s", rule, limit);
	if (n < 0)
		r->text = NULL;
	return n < 0 ? -ENOMEM : 0;
}

/* The setting by which systemd takes an action at this end, and its value; NULL: none. */
static const char *action_due(const struct verdict *v, const struct ending *x, const char **value)
{
	bool failed = v->sub_state && strncmp(v->sub_state, "failed", 6) == 0;
	bool limit = strcmp(x->reason, "start-limit-hit") == 0;
	const struct facts *k = &x->facts;

	/* that of the limit is taken before the state is entered */
	*value = limit && !v->end_mono_ns ? k->start_limit_action
		 : failed		  ? k->failure_action
					  : k->success_action;
	if (!x->seen || !**value || strcmp(*value, "none") == 0)
		return NULL;
	return *value == k->start_limit_action ? "StartLimitAction"
	       : failed			       ? "FailureAction"
					       : "SuccessAction";
}

int restart_learn_action(struct verdict *v, const struct ending *x, const char *action,
			 const struct proof *p)
{
	const char *value, *setting = action_due(v, x, &value);
	int r;

	if (!setting || strcmp(value, action) != 0 || v->restart.action_setting)
		return 0;
	r = set_word(&v->restart.action, action);
	if (r == 0)
		r = verdict_cite(v, p);
	v->restart.action_setting = setting;
	return r < 0 ? r : 1;
}

bool restart_awaits_action(const struct verdict *v, const struct ending *x)
{
	const char *value;

	return !v->restart.action_setting && action_due(v, x, &value);
}

static int append_action(struct verdict_restart *r)
{
	_cleanup_free_ char *before = r->text;

	if (!r->action_setting) {
		before = NULL;
		return 0;
	}
	if (asprintf(&r->text, "%s%s%s=%s", before ? before : "", before ? "; " : "",
		     r->action_setting, r->action) >= 0)
		return 0;
	r->text = NULL;
	return -ENOMEM;
}

/* What systemd did is the truth: a rule that says otherwise is not the one. */
static int set_rule(struct verdict *v, struct ending *x)
{
	struct verdict_restart *r = &v->restart;
	bool expected;

	if (!x->seen) {
		if (!r->restarts && v->old_state && strncmp(v->old_state, "auto-restart", 12) == 0)
			r->rule = RESTART_CALLED_OFF;
		return 0;
	}
	if (!x->facts.proof.seq)
		return 0;
	r->rule = decide(x, r->restarts, &expected);
	if (r->rule == RESTART_UNKNOWN || expected == r->restarts)
		return 0;
	r->rule = RESTART_UNKNOWN;
	return verdict_note(v, "Restart=%s and result %s: %s, but systemd %s: the rule is unknown",
			    *x->facts.restart ? x->facts.restart : "?",
			    *x->result ? x->result : "?",
			    expected ? "a restart was due" : "no restart was due",
			    r->restarts ? "restarts it" : "does not restart it");
}

int restart_explain(struct verdict *v, struct ending *x)
{
	struct verdict_restart *r = &v->restart;
	const struct facts *k = &x->facts;
	int q;

	r->seen = !v->incomplete;
	r->restarts = v->restarts;
	r->delay_usec = r->limit_usec = WIRE_USEC_NONE;
	r->count = r->limit_burst = r->limit_num = WIRE_NONE;
	if (!r->seen)
		return 0;
	/* the manager's own word, once it is in its final state */
	if (v->result)
		word_copy(x->result, v->result);
	if (set_word(&r->result, x->result) < 0 || set_word(&r->setting, k->restart) < 0 ||
	    set_word(&r->mode, k->restart_mode) < 0)
		return -ENOMEM;
	if (k->proof.seq) {
		r->count = k->f.n_restarts;
		set_limit(r, x);
		if (r->restarts)
			r->delay_usec = restart_delay(&k->f);
	}
	q = set_rule(v, x);
	if (q == 0)
		q = verdict_cite(v, &k->proof);
	if (q == 0)
		q = set_text(v, x);
	return q < 0 ? q : append_action(r);
}
