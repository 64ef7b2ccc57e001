/* How three voters decide two records: the algorithm of src/federation/cambrian_consensus.erl, for
 * Spin. docs/federation.md shows model and code side by side, and test/cambrian_model_tests.erl
 * checks it exhaustively.
 *
 * A message that was sent stays in a set, and whoever it is for may take it at any later time, any
 * number of times, or never. So the model has every loss, delay, doubling and overtaking, every
 * pause and every partition. Members stand whenever they like: silence, jitter and heartbeats
 * decide only when the code stands, and matter to progress, not to safety. At most CRASHES times
 * in all a member crashes, and starts again with what it kept on its disk.
 *
 * Each flaw breaks the assertion: PROMISE_IS_FORGOTTEN, ACCEPTED_IS_IGNORED, EARLIEST_IS_PROPOSED,
 * MINORITY_COMMITS, DISK_IS_LOST, and, with GROW, EPOCH_OUTLASTS_VOTERS. With GROW member 0 decides
 * record 1 alone, which names all three as the voters of record 2.
 */
#define N 3
#ifndef EPOCHS
#define EPOCHS 4
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define RECORDS 2

#define COORDINATOR(e) (((e) - 1) % N)
#define AT(e, n) ((e) * RECORDS + (n))          /* in epoch e, after record n */
#define FROM(e, n, i) (AT(e, n) * N + (i))
#ifdef GROW
#define IS_VOTER(i, n) ((n) > 0 || (i) == 0)    /* of record n + 1 */
#define SAME_VOTERS(n) false                    /* as of record n */
#define IS_ALONE(n) ((n) == 0)
#else
#define IS_VOTER(i, n) true
#define SAME_VOTERS(n) true
#define IS_ALONE(n) false
#endif

/* What a member keeps. Record 0 is everybody's; a record's value is the epoch of its proposal. */
byte number[N];                                 /* of the last committed record */
byte promised[N];
byte accepted_in[N];                            /* the epoch, of what is accepted after number */
byte accepted[N];
/* What it loses in a crash: the epoch that it coordinates. */
byte leading[N];

/* What was sent. */
bool stand[(EPOCHS + 1) * RECORDS];
bool promise[(EPOCHS + 1) * RECORDS * N];
byte promise_in[(EPOCHS + 1) * RECORDS * N];    /* what a promise brings */
byte promise_of[(EPOCHS + 1) * RECORDS * N];
byte accept[(EPOCHS + 1) * RECORDS];
bool took[(EPOCHS + 1) * RECORDS * N];          /* the message accepted */
byte committed[RECORDS + 1];                    /* what any member has reported */

byte crashes;

inline commit(i, value) {
  assert(committed[number[i] + 1] == 0 || committed[number[i] + 1] == value);
  committed[number[i] + 1] = value;
  number[i]++;
  accepted_in[i] = 0; accepted[i] = 0;
#ifndef EPOCH_OUTLASTS_VOTERS
  if :: !SAME_VOTERS(number[i]) -> leading[i] = 0 :: else fi
#endif
}

inline propose(i, value) {
  accept[AT(leading[i], number[i])] = value;
  accepted[i] = accept[AT(leading[i], number[i])]; accepted_in[i] = leading[i]
}

#if defined(ACCEPTED_IS_IGNORED)
#define FIRST(one_in, one, other_in, other) false
#elif defined(EARLIEST_IS_PROPOSED)
#define FIRST(one_in, one, other_in, other) ((one) != 0 && ((other) == 0 || one_in <= other_in))
#else
#define FIRST(one_in, one, other_in, other) ((one) != 0 && one_in >= other_in)
#endif

/* Its own promise is the last of the majority. Of what the two have accepted, the value of the
 * latest epoch is proposed again. */
inline elected(i, e, other_in, other) {
  promised[i] = e; leading[i] = e;
  if
  :: FIRST(accepted_in[i], accepted[i], other_in, other) -> propose(i, accepted[i])
  :: FIRST(other_in, other, accepted_in[i], accepted[i]) -> propose(i, other)
  :: else
  fi
}

#ifdef PROMISE_IS_FORGOTTEN
#define KEEPS_PROMISE(i, e) true
#else
#define KEEPS_PROMISE(i, e) ((e) >= promised[i])
#endif
#ifdef MINORITY_COMMITS
#define HAS_TAKEN(e, n, j) true
#else
#define HAS_TAKEN(e, n, j) took[FROM(e, n, j)]
#endif

proctype member(byte i) {
  byte e, j;
end:
  do
  :: atomic {
       /* any epoch, any other member */
       e = 1;
       do :: e < EPOCHS -> e++ :: break od;
       if :: j = (i + 1) % N :: j = (i + 2) % N fi;
       if
       /* a voter stands */
       :: COORDINATOR(e) == i && e > promised[i] && number[i] < RECORDS &&
          IS_VOTER(i, number[i]) && !stand[AT(e, number[i])] ->
            stand[AT(e, number[i])] = true
       /* another promises, and says what it has accepted */
       :: COORDINATOR(e) != i && number[i] < RECORDS && stand[AT(e, number[i])] &&
          KEEPS_PROMISE(i, e) && IS_VOTER(i, number[i]) && !promise[FROM(e, number[i], i)] ->
            promised[i] = e; leading[i] = 0;
            promise[FROM(e, number[i], i)] = true;
            promise_in[FROM(e, number[i], i)] = accepted_in[i];
            promise_of[FROM(e, number[i], i)] = accepted[i]
       /* two of three promised */
       :: COORDINATOR(e) == i && e > promised[i] && number[i] < RECORDS &&
          promise[FROM(e, number[i], j)] ->
            elected(i, e, promise_in[FROM(e, number[i], j)], promise_of[FROM(e, number[i], j)])
       :: COORDINATOR(e) == i && e > promised[i] && number[i] < RECORDS &&
          stand[AT(e, number[i])] && IS_ALONE(number[i]) ->
            elected(i, e, 0, 0)
       /* the coordinator's owner proposes */
       :: leading[i] == e && number[i] < RECORDS && accept[AT(e, number[i])] == 0 -> propose(i, e)
       /* another accepts */
       :: COORDINATOR(e) != i && number[i] < RECORDS && accept[AT(e, number[i])] != 0 &&
          KEEPS_PROMISE(i, e) && IS_VOTER(i, number[i]) && !took[FROM(e, number[i], i)] ->
            promised[i] = e; leading[i] = 0;
            accepted_in[i] = e; accepted[i] = accept[AT(e, number[i])];
            took[FROM(e, number[i], i)] = true
       /* two of three accepted */
       :: leading[i] == e && number[i] < RECORDS && accept[AT(e, number[i])] != 0 &&
          (IS_ALONE(number[i]) || HAS_TAKEN(e, number[i], j)) ->
            commit(i, accept[AT(e, number[i])])
       /* whoever lacks a committed record learns it */
       :: number[i] < RECORDS && committed[number[i] + 1] != 0 ->
            commit(i, committed[number[i] + 1])
       /* a crash */
       :: crashes < CRASHES && (leading[i] != 0 || promised[i] != 0) ->
            crashes++; leading[i] = 0;
#ifdef DISK_IS_LOST
            promised[i] = 0; accepted_in[i] = 0; accepted[i] = 0
#endif
       :: else
       fi;
       e = 0; j = 0
     }
  od
}

init { atomic { run member(0); run member(1); run member(2) } }
