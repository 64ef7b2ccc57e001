%% The value of an exchange, for the modules that work on it: see cambrian_exchange.erl.

%% A genotype that this node can give to others.
-record(held,
        {id :: cambrian_genotype:id(),
         task :: cambrian_exchange_state:task(),
         genotype :: cambrian_genotype:genotype(),
         claims :: cambrian_exchange_state:claims(),
         %% the newcomers whose genes it carries, and itself if it came from another node
         sources = [] :: [cambrian_purge:source()],
         breeder :: cambrian_identity:key(),
         %% the record that its breeder signed, if the breeder is another node
         signed :: undefined | binary(),
         %% what this node signed, and its hash if it is so large that it goes as a blob
         envelope :: undefined | binary(),
         content :: undefined | cambrian_transport:content()}).

%% What the exchange keeps of a task.
-record(task,
        {name :: cambrian_exchange_state:task(),
         %% whether a population of this task is here
         present = true :: boolean(),
         %% the fittest genotype by what was measured here, and when to announce it again
         best :: undefined | #held{},
         trickle :: cambrian_trickle:trickle(),
         threshold :: cambrian_threshold:threshold(),
         %% a champion of this node that is not published yet
         pending :: undefined | #held{},
         %% no champion is published before this time
         free_at = 0 :: integer(),
         migrant_at :: integer() | never,
         %% genotypes of other nodes that wait, and those that the populations measure now
         quarantine = cambrian_fair_queue:new() :: cambrian_fair_queue:fair_queue(map()),
         offered = #{} :: #{cambrian_genotype:id() => map()},
         %% how much of the populations' work genotypes of other nodes may take
         budget :: cambrian_budget:budget(),
         %% whether many genotypes that the populations breed fail
         failing = false :: boolean()}).

%% A call that asks which key lives at an address, how far away the address is, or in which parts of
%% a common archive two nodes differ.
-record(call,
        {kind :: who | ping | {compare, cambrian_exchange_state:task()},
         address :: binary(),
         key :: cambrian_identity:key(),
         at :: integer(),
         nonce = none :: none | cambrian_message:nonce()}).

%% A comparison of replicas with another node: the nodes of the tree that are left to compare, what
%% is asked now, how many calls that took and how many of the last ones got no answer, the elites
%% that are still to be asked for, whether any was, and whether some were left out that will be
%% wanted again soon.
-record(session,
        {peer :: {Address :: binary(), cambrian_identity:key()},
         left :: [cambrian_common_archive:tree_node()],
         asked = none :: none | cambrian_message:comparison(),
         calls = 0 :: non_neg_integer(),
         failures = 0 :: non_neg_integer(),
         wanted = [] :: [cambrian_common_archive:entry()],
         has_found = false :: boolean(),
         waits = false :: boolean()}).

%% What the exchange keeps of the common archive of a task: see cambrian_anti_entropy.erl.
-record(common,
        {name :: cambrian_exchange_state:task(),
         replica = none :: none | cambrian_common_archive:replica(),
         %% the population may have another archive by now; whether it is asked, and for what
         is_stale = true :: boolean(),
         looking = false :: false | for_others | for_session,
         looked_at = never :: never | integer(),
         %% the next session, or when the one at hand is given up
         next_at :: integer(),
         interval :: pos_integer(),
         session = none :: none | #session{},
         %% a node that showed another root
         hint = none :: none | {Address :: binary(), cambrian_identity:key()},
         %% the last root of callers; nodes without such a replica, until when; elites that were
         %% asked for, how often, and until when they are not asked for again
         roots = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(cambrian_transport:caller(), binary()),
         without = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(cambrian_identity:key(), integer()),
         tried = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(cambrian_genotype:id(),
                                                 {Count :: pos_integer(), Until :: integer()}),
         %% what the breeders of elites of other nodes signed
         signed = cambrian_bounded_map:new(50_000, 8 bsl 20)
             :: cambrian_bounded_map:bounded_map(cambrian_genotype:id(), binary()),
         rand :: rand:state()}).

-record(exchange,
        {options :: map(),
         %% the fun that answers questions of trust, and its state
         ask :: cambrian_exchange_state:ask(),
         trust :: term(),
         rand :: rand:state(),
         %% how far the time of day is ahead of `Now'
         clock = 0 :: integer(),
         %% the number of the next envelope
         sequence :: non_neg_integer(),
         %% effects of the event at hand, the last one first
         effects = [] :: [cambrian_exchange_state:effect()],
         journal = cambrian_journal:new() :: cambrian_journal:journal(),

         %% tasks of populations that are or were here, and tasks that a user subscribes to
         tasks = #{} :: #{cambrian_exchange_state:task() => #task{}},
         wanted = [] :: [cambrian_exchange_state:task() | all],
         %% the common archives
         common = #{} :: #{cambrian_exchange_state:task() => #common{}},
         held = cambrian_bounded_map:new(32, 2_000_000)
             :: cambrian_bounded_map:bounded_map(cambrian_genotype:id(), #held{}),
         known = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(
                    {cambrian_exchange_state:task(), cambrian_genotype:id()},
                    cambrian_exchange_state:knowledge()),
         requests = cambrian_mesh_requests:new() :: cambrian_mesh_requests:requests(),
         %% differences that were made lately, for the next node that asks for them
         made = cambrian_bounded_map:new(1024, 4 bsl 20)
             :: cambrian_bounded_map:bounded_map(
                    {Target :: cambrian_genotype:id(), Base :: cambrian_genotype:id()},
                    binary() | none),

         %% how many messages and calls of other nodes are worked on
         meter :: cambrian_meter:meter(),
         callers :: cambrian_meter:meter(),
         %% the origins of which newcomers are taken in this second
         sources = {-1, []} :: {Second :: integer(), all | [cambrian_identity:key()]},

         members :: cambrian_members:members(),
         addresses :: cambrian_addresses:addresses(),
         calls = #{} :: #{pos_integer() => #call{}},
         %% how many nodes were alive at the last count, and how many of them set the pace of this
         %% one; both with this one
         alive = 1 :: pos_integer(),
         nodes = 1 :: pos_integer(),
         counted_at = 0 :: integer(),
         heartbeat_at :: integer(),
         spoke_at = 0 :: integer(),
         %% the time in the last heartbeat
         stamp = 0 :: integer(),

         %% when to publish the successions of this node again; those that are new are published
         %% `retells' times alone
         tell_at :: integer(),
         fresh = [] :: [binary()],
         retells = 0 :: non_neg_integer(),
         %% when to publish the charters of the realm, if it has any
         charters = none :: none | cambrian_trickle:trickle(),
         charters_rand :: rand:state()}).

%% All nodes together publish one improvement of a task in so many ms for each node, so that what a
%% node hears of a task does not grow with the number of nodes.
-define(PACE_MS, 20).
%% Two replicas of a common archive are compared no sooner.
-define(SHORTEST_MS, 5_000).
-define(TRICKLE, #{shortest => 4_000, longest => 900_000, redundancy => 1}).
