%% @private
%% What one node says in a realm, and what it makes of what it hears, as a value: it answers every
%% event with effects, which whoever holds the value carries out in order. It has no process and
%% no clock, and the same events give the same effects, to the bit. {@link cambrian_bridge_server}
%% holds one for a user and connects it with a transport; a simulation holds thousands.
%%
%% A champion that is good enough is published: whole if it is small, else as an announcement, for
%% whoever lacks it to ask for. What other nodes publish passes {@link cambrian_admission} and waits
%% in quarantine until a population here has measured it; only what was measured here counts. The
%% best genotype that a node knows of each task, whoever bred it, is announced again by Trickle, so
%% that nodes that were away, and both sides of a partition, end with the same best. The same holds
%% for the charters of the realm.
%%
%% `Now' comes with each event, in ms of a clock that never goes back. What other nodes read is in
%% ms since 1970: {@link set_clock/2} says how far that is ahead of `Now'.
-module(cambrian_exchange).

%% Event                     What happened                                   Which module decides
%% join(Task)                a population of this task is here               cambrian_offers
%% leave(Task)               the last population of this task is gone
%% bred(Task, Champion)      a population here has a new champion            cambrian_publication
%% archived(Task, Replica)   a population gave its archive for an `archive'    cambrian_anti_entropy
%% picked(Task, Champion)    a population gave a migrant for a `pick'        cambrian_publication
%% publish(Task, G, Claims)  the user publishes a genotype                   cambrian_publication
%% worked(Task, Work)        a population here has evaluated a generation    cambrian_offers
%% judged(Task, Verdict)     a population measured what was in an `offer'    cambrian_offers
%% heard(Bytes)              something arrived on the realm's topic: an
%%                           envelope or an announcement,                    cambrian_announcements
%%                           a heartbeat,                                    cambrian_presence
%%                           a succession or charters                        cambrian_certificates
%% asked(Bytes, From)        another node calls                              cambrian_answers
%% made(Target, Job, Made)   the differences of a `make' are there           cambrian_answers
%% answered(Ref, Result)     an `ask' or a `fetch' is over: of a genotype,   cambrian_retrieval
%%                           of an address,                                  cambrian_presence
%%                           or of a common archive                          cambrian_anti_entropy
%% amend(Charter)            the user brings a charter                       cambrian_certificates
%% banned(Banned)            keys or genotypes are banned
%% renamed(Identity, Grant)  this node has another key
%% subscribed(Tasks)         users subscribe to genotypes of these tasks
%% tick()                    the time of wake/1 has come
%%
%% Effect                       What is to be done
%% {publish, Bytes}             send this to all nodes of the realm
%% {send, Blob}                 offer a blob, for other nodes to fetch
%% {ask, Ref, Address, Bytes}   call a node; answered/4 brings what comes of it
%% {fetch, Ref, Content}        fetch a blob; answered/4 brings what comes of it
%% {offer, Task, G, From}       have the populations of the task measure a genotype; judged/4 brings
%%                              what comes of it
%% {pick, Task, Policy}         ask a population for a migrant; picked/4 brings it
%% {archive, Task}              ask a population for its archive; archived/4 brings it
%% {lineage, Id, Record}        remember what its breeder signed of a genotype
%% {event, Name, Facts}         tell subscribers and counters: published, announced, received,
%%                              judged, rejected, node_up or not_published

-export([new/1, set_clock/2]).
-export([join/3, leave/3, bred/4, picked/4, archived/4, publish/5, worked/4, judged/4, heard/3,
         asked/4, made/4, answered/4, amend/3, banned/3, renamed/4, subscribed/3, tick/2]).
-export([wake/1, best/1, members/2, story/2, stories/1, origin/1, trust/1]).
-export_type([exchange/0, options/0, best/0]).

-import(cambrian_exchange_state,
        [note/5, option/2, put_task/2, random/1, refused/3, take_effects/1, task/2, task_names/1,
         time/2]).

-include("cambrian_exchange.hrl").

%% Other nodes know this one by its `identity' and its `address'. The fun in `trust' answers
%% questions of trust. `clock' is that of {@link set_clock/2}, by default 0; `sequence' is the
%% number of the first envelope, by default the time in µs. `threshold' is that of {@link
%% cambrian_threshold}, `once' that of {@link cambrian_admission}. All other options are those of
%% {@link cambrian_bridge:options()}.
-type options() :: #{realm := binary(), identity := cambrian_identity:identity(),
                     address := binary(),
                     trust := {cambrian_exchange_state:ask(), Trust :: term()},
                     seed := integer(), now := integer(), clock => integer(),
                     sequence => non_neg_integer(),
                     grant => undefined | binary(), publish => boolean(), threshold => number(),
                     interval => non_neg_integer(), budget => pos_integer(), share => number(),
                     policy => cambrian_population:migration(),
                     migration_interval => pos_integer(),
                     topology => cambrian_members:topology(), common_archive => boolean(),
                     once => cambrian_admission:once()}.
%% `fitness' is as it was measured here, `origin' the breeder by the signed record.
-type best() :: #{genotype := cambrian_genotype:genotype(), fitness := float(),
                  origin := cambrian_identity:key()}.
-type task() :: cambrian_exchange_state:task().
-type claims() :: cambrian_exchange_state:claims().
-type champion() :: cambrian_exchange_state:champion().
-type effect() :: cambrian_exchange_state:effect().
-opaque exchange() :: #exchange{}.

-define(DEFAULTS, #{grant => undefined, publish => true, threshold => 0.99, interval => 1000,
                    budget => 8, share => 0.1, policy => champion, migration_interval => 10_000,
                    topology => all, common_archive => false,
                    once => fun(_Key, Fun) -> Fun() end}).

%%% ---- beginning --------------------------------------------------------------------------

-spec new(options()) -> {[effect()], exchange()}.
new(#{trust := {Ask, Trust}, seed := Seed, now := Now, identity := #{key := Key}} = Options) ->
    Rand = rand:seed_s(exsss, Seed),
    Clock = maps:get(clock, Options, 0),
    #{address := Address} = Options,
    Kept = maps:without([trust, seed, now, clock, sequence], Options),
    X = #exchange{options = maps:merge(?DEFAULTS, Kept),
                  ask = Ask, trust = Trust, rand = Rand, clock = Clock,
                  sequence = maps:get(sequence, Options, (Now + Clock) * 1000),
                  members = cambrian_members:new(Key, Seed),
                  addresses = cambrian_addresses:new(Address),
                  meter = cambrian_meter:new(rand:jump(rand:jump(Rand))),
                  callers = cambrian_meter:new(rand:jump(rand:jump(rand:jump(Rand)))),
                  heartbeat_at = Now, tell_at = Now,
                  charters_rand = rand:seed_s(exsss, {Seed, 0, 0})},
    tick(Now, X).

%% @doc How many ms since 1970 are to be added to `Now'. That changes when somebody sets the clock
%% of the machine.
-spec set_clock(integer(), exchange()) -> exchange().
set_clock(Clock, X) -> X#exchange{clock = Clock}.

%%% ---- populations here -------------------------------------------------------------------

-spec join(task(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
join(Name, Now, #exchange{tasks = Tasks} = X) ->
    Joined = case Tasks of
                 %% a population that is back after a crash tells again what it measured
                 #{Name := Known} ->
                     Back = Known#task{present = true, offered = #{}},
                     cambrian_offers:offer_more(Now, put_task(Back, X));
                 _ ->
                     {Rand, Next} = random(X),
                     put_task(new_task(Name, Rand, Now, X), Next)
             end,
    take_effects(cambrian_commons:join(Name, Now, Joined)).

new_task(Name, Rand, Now, X) ->
    #task{name = Name, trickle = cambrian_trickle:new(?TRICKLE, Rand, Now),
          threshold = cambrian_threshold:new(option(threshold, X)),
          budget = cambrian_budget:new(option(share, X)), migrant_at = first_migrant(Now, X)}.

first_migrant(_Now, #exchange{options = #{policy := champion}}) -> never;
first_migrant(_Now, #exchange{options = #{publish := false}}) -> never;
first_migrant(Now, #exchange{options = #{migration_interval := Interval}}) -> Now + Interval.

%% @doc Drops what waits for the populations of this task. The best is still announced.
-spec leave(task(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
leave(Name, _Now, #exchange{tasks = Tasks} = X) ->
    case Tasks of
        #{Name := Task} ->
            Left = Task#task{present = false, quarantine = cambrian_fair_queue:new(),
                             offered = #{}},
            take_effects(cambrian_commons:leave(Name, put_task(Left, X)));
        _ -> take_effects(X)
    end.

-spec bred(task(), champion(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
bred(Name, Champion, Now, X) -> take_effects(cambrian_publication:bred(Name, Champion, Now, X)).

-spec picked(task(), champion(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
picked(Name, Champion, Now, X) -> take_effects(cambrian_publication:picked(Name, Champion, Now, X)).

%% @doc The archive of a population, or `none' if it has none.
-spec archived(task(), none | cambrian_common_archive:replica(), Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
archived(Name, Replica, Now, X) ->
    take_effects(cambrian_anti_entropy:archived(Name, Replica, Now, X)).

-spec publish(task(), cambrian_genotype:genotype(), claims(), Now :: integer(), exchange()) ->
          {{ok, cambrian_genotype:id()} | {error, term()}, [effect()], exchange()}.
publish(Task, Genotype, Claims, Now, X) ->
    #held{id = Id} = Held =
        cambrian_holdings:held_here(Task, Claims#{champion => Genotype}, X),
    case cambrian_publication:publish(Held, Now, X) of
        {ok, Sealed, Next} -> with_effects({ok, Id}, cambrian_holdings:hold(Sealed, Next));
        {Error, Next} -> with_effects(Error, Next)
    end.

with_effects(Answer, X) ->
    {Effects, Next} = take_effects(X),
    {Answer, Effects, Next}.

-spec worked(task(), cambrian_standing:worked(), Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
worked(Name, Work, Now, X) -> take_effects(cambrian_offers:worked(Name, Work, Now, X)).

-spec judged(task(), cambrian_exchange_state:verdict(), Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
judged(Name, Verdict, Now, X) -> take_effects(cambrian_offers:judged(Name, Verdict, Now, X)).

%% @doc Genotypes of these tasks are of interest even without a population.
-spec subscribed([task() | all], Now :: integer(), exchange()) -> exchange().
subscribed(Wanted, _Now, X) -> X#exchange{wanted = Wanted}.

%%% ---- other nodes ------------------------------------------------------------------------

%% @doc `{too_large, Size}' stands for a message that was too large to be handed on.
-spec heard(Bytes :: term(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
heard({too_large, _Size} = Reason, Now, X) -> take_effects(refused(Reason, Now, X));
heard(Bytes, Now, X) -> take_effects(heard_message(cambrian_message:kind(Bytes), Now, X)).

heard_message({envelope, Envelope}, Now, X) ->
    cambrian_announcements:heard_envelope(Envelope, Now, X);
heard_message({announcement, Urgency, Record, Address}, Now, X) ->
    cambrian_announcements:heard_announcement(Urgency, Record, Address, Now, X);
heard_message({heartbeat, Body, Signature}, Now, X) ->
    cambrian_presence:heard_heartbeat(Body, Signature, Now, X);
heard_message({succession, Certificate}, Now, X) ->
    cambrian_certificates:heard_succession(Certificate, Now, X);
heard_message({charters, Charters}, Now, X) ->
    cambrian_certificates:heard_charters(Charters, Now, X);
heard_message(malformed, Now, X) -> refused(malformed, Now, X).

%% @doc Another node calls, from an address if the transport vouches for it.
-spec asked(binary(), From :: cambrian_transport:caller(), Now :: integer(), exchange()) ->
          {[effect()], cambrian_answers:reply(), exchange()}.
asked(Bytes, From, Now, X) ->
    {Reply, Next} = cambrian_answers:asked(Bytes, From, Now, X),
    {Effects, Rest} = take_effects(Next),
    {Effects, Reply, Rest}.

%% @doc The answer to a caller whose reply was a `make'.
-spec made(Target :: cambrian_genotype:id(), cambrian_delivery:job(),
           [cambrian_delivery:difference()], exchange()) -> {Answer :: binary(), exchange()}.
made(Target, Job, Differences, X) -> cambrian_answers:made(Target, Job, Differences, X).

-spec answered(Ref :: pos_integer(), {ok, binary()} | {error, term()}, Now :: integer(),
               exchange()) -> {[effect()], exchange()}.
answered(Ref, Result, Now, #exchange{calls = Calls} = X) when is_map_key(Ref, Calls) ->
    {Call, Left} = maps:take(Ref, Calls),
    take_effects(call_answered(Call, Result, Now, X#exchange{calls = Left}));
answered(Ref, Result, Now, X) ->
    take_effects(cambrian_retrieval:answered(Ref, Result, Now, X)).

call_answered(#call{kind = {compare, Name}} = Call, Result, Now, X) ->
    cambrian_anti_entropy:answered(Name, Call, Result, Now, X);
call_answered(Call, Result, Now, X) ->
    case cambrian_presence:call_answered(Call, Result, Now, X) of
        {measured, Next} -> Next;
        {address_known, Waiting, Next} -> cambrian_retrieval:address_known(Waiting, Now, Next)
    end.

%%% ---- certificates and bans --------------------------------------------------------------

-spec amend(binary(), Now :: integer(), exchange()) ->
          {ok | {error, term()}, [effect()], exchange()}.
amend(Charter, Now, X) ->
    {Answer, Next} = cambrian_certificates:amend(Charter, Now, X),
    with_effects(Answer, Next).

%% @doc The node goes on under another key, with another grant. Its best genotypes stay its own.
-spec renamed(cambrian_identity:identity(), Grant :: undefined | binary(), Now :: integer(),
              exchange()) -> {[effect()], exchange()}.
renamed(#{key := Key, successions := All} = Identity, Grant, Now, X) ->
    #exchange{options = Options, tasks = Tasks} = X,
    #{identity := #{key := Old, successions := Known}} = Options,
    Mine = fun(_, #task{best = #held{breeder = Breeder} = Best} = Task) when Breeder =:= Old ->
                   Task#task{best = Best#held{breeder = Key, envelope = undefined,
                                              content = undefined}};
              (_, Task) -> Task
           end,
    Next = X#exchange{options = Options#{identity := Identity, grant := Grant},
                      tasks = maps:map(Mine, Tasks)},
    Told = cambrian_certificates:rotated(All, Known, Next),
    tick(Now, cambrian_presence:renamed(Key, Now, Told)).

%% @doc Drops all that is banned, and all that carries its genes ({@link cambrian_realm:banned/2}):
%% what is held, what waits, and what was to be published.
-spec banned(#{keys := [cambrian_identity:key()], genotypes := [cambrian_genotype:id()]},
             Now :: integer(), exchange()) -> {[effect()], exchange()}.
banned(#{keys := Keys, genotypes := Ids} = Banned, Now, X) ->
    #exchange{held = Held, requests = Requests} = X,
    Subjects = maps:from_keys([{key, Key} || Key <- Keys] ++ [{genotype, Id} || Id <- Ids], banned),
    IsBanned = fun(Of) -> lists:any(fun(Subject) -> is_map_key(Subject, Subjects) end, Of) end,
    IsHeld = fun(Of) -> IsBanned(cambrian_holdings:subjects(Of)) end,
    IsItem = fun(Item) -> IsBanned(cambrian_holdings:subjects_of(Item)) end,
    Gone = [Id || {Id, Of} <- cambrian_bounded_map:to_list(Held), IsHeld(Of)],
    Noted = note_banned(Gone, Now, X),
    Without = Noted#exchange{held = lists:foldl(fun cambrian_bounded_map:remove/2, Held, Gone),
                             known = known_without(Banned, X),
                             requests = cambrian_mesh_requests:without(IsItem, Requests)},
    Clean = fun(Name, Y) -> task_without(task(Name, Y), IsHeld, IsItem, Now, Y) end,
    take_effects(cambrian_commons:banned(lists:foldl(Clean, Without, task_names(X)))).

note_banned(Ids, Now, X) ->
    lists:foldl(fun(Id, Y) -> note(Id, banned, #{}, Now, Y) end, X, Ids).

known_without(#{keys := [], genotypes := Ids}, #exchange{tasks = Tasks, known = Known}) ->
    Gone = [{Name, Id} || Name <- maps:keys(Tasks), Id <- Ids],
    lists:foldl(fun cambrian_bounded_map:remove/2, Known, Gone);
%% another node may send again what a banned key sent
known_without(_Banned, _X) -> cambrian_bounded_map:new(4096).

task_without(#task{quarantine = Quarantine, offered = Offered} = Task, IsHeld, IsItem, Now, X) ->
    #task{best = Best, pending = Pending} = Task,
    {Dropped, Waiting} = cambrian_fair_queue:without(IsItem, Quarantine),
    Stopped = lists:sort([Id || {Id, Item} <- maps:to_list(Offered), IsItem(Item)]),
    Clean = fun(Of) ->
                case Of =/= undefined andalso IsHeld(Of) of true -> undefined; false -> Of end
            end,
    Left = Task#task{best = Clean(Best), pending = Clean(Pending), quarantine = Waiting,
                     offered = maps:without(Stopped, Offered)},
    Gone = [Id || #held{id = Id} = Of <- [Best], IsHeld(Of)] ++ Stopped
               ++ [Id || #{id := Id} <- Dropped],
    Noted = note_banned(Gone, Now, X),
    put_task(case Left of
                 %% the next champion need not be better than one that is banned
                 #task{best = undefined} ->
                     Left#task{threshold = cambrian_threshold:new(option(threshold, X))};
                 _ -> Left
             end, Noted).

%%% ---- time -------------------------------------------------------------------------------

%% @doc When the next `tick' is due.
-spec wake(exchange()) -> integer().
wake(#exchange{heartbeat_at = Heartbeat, tell_at = Tell, charters = Charters,
               tasks = Tasks} = X) ->
    OfCharters = [cambrian_trickle:wake(Charters) || Charters =/= none],
    OfTasks = [cambrian_publication:wakes(Task) || Task <- maps:values(Tasks)],
    OfArchives = cambrian_anti_entropy:wakes(X),
    lists:min([Heartbeat, Tell | OfCharters ++ OfArchives ++ lists:append(OfTasks)]).

%% @doc Does what is due.
-spec tick(Now :: integer(), exchange()) -> {[effect()], exchange()}.
tick(Now, X) ->
    OfTask = fun(Name, Y) ->
                 Published = cambrian_publication:tick(task(Name, Y), Now, Y),
                 cambrian_anti_entropy:tick(Name, Now, Published)
             end,
    Published = lists:foldl(OfTask, X, task_names(X)),
    Alive = cambrian_presence:heartbeat_due(Now, Published),
    Followed = cambrian_certificates:publish_successions_due(Now, Alive),
    Amended = cambrian_certificates:publish_charters_due(Now, Followed),
    take_effects(cambrian_presence:ping_due(Now, Amended)).

%%% ---- questions --------------------------------------------------------------------------

%% @doc The best genotype of each task, by what was measured here.
-spec best(exchange()) -> #{task() => best()}.
best(#exchange{tasks = Tasks}) ->
    maps:from_list([{Name, #{genotype => Genotype, fitness => Fitness, origin => Breeder}}
                    || {Name, #task{best = #held{genotype = Genotype, breeder = Breeder,
                                                 claims = #{fitness := Fitness}}}}
                           <- maps:to_list(Tasks)]).

%% @doc The nodes that are alive. `seen' is in ms since 1970.
-spec members(Now :: integer(), exchange()) ->
          #{cambrian_identity:key() => cambrian_members:member()}.
members(Now, #exchange{members = Members} = X) ->
    InTimeOfDay = fun(_, #{seen := Seen} = Member) -> Member#{seen := time(Seen, X)} end,
    maps:map(InTimeOfDay, cambrian_members:alive(Now, Members)).

-spec story(cambrian_genotype:id(), exchange()) -> [cambrian_journal:step()].
story(Id, #exchange{journal = Journal}) -> cambrian_journal:story(Id, Journal).

-spec stories(exchange()) -> [{cambrian_genotype:id(), [cambrian_journal:step()]}].
stories(#exchange{journal = Journal}) -> cambrian_journal:stories(Journal).

%% @doc The key that other nodes know this one by.
-spec origin(exchange()) -> cambrian_identity:key().
origin(X) -> cambrian_exchange_state:origin(X).

%% @doc The state that was given as `trust', as it is by now.
-spec trust(exchange()) -> term().
trust(#exchange{trust = Trust}) -> Trust.
