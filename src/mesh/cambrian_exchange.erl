%% @private
%% What one node says in a realm and makes of what it hears, as a value: without a process, without a clock, and the same
%% to the bit for the same inputs. {@link cambrian_bridge} is one of these with a transport; a simulation has thousands.
%%
%% A champion that is worth it is told to all: whole if it is small, else as an announcement, for whoever lacks it to ask
%% for. What is heard and passes the checks of {@link cambrian_admission} waits in quarantine until a population here has
%% measured it; only what was measured here counts. The best that a node knows of each task, wherever it was bred, it
%% announces again by Trickle: so those that were away, and both sides of a partition, end with the same. So it does with the
%% charters of the realm.
%%
%% Every function answers with effects for the caller to carry out. `Now' is in ms of a clock that never goes back; what
%% others read, and what is compared with what they wrote, is in ms since 1970, which {@link set_clock/2} says.
-module(cambrian_exchange).

-export([new/1, set_clock/2, heard/3, join/3, leave/3, bred/4, picked/4, judged/4, worked/4, publish/5, banned/3, amend/3, asked/4,
         made/4, answered/4, tick/2, wake/1, renamed/4, listens/3, best/1, members/2, story/2, stories/1, origin/1, trust/1]).
-export_type([exchange/0, effect/0, options/0, policy/0, best/0, claims/0, ask/0, reply/0]).

-type task() :: binary().
-type policy() :: champion | tournament | novel | random.
-type ask() :: fun((cambrian_realm:request(), Now :: integer(), Trust :: term()) -> {Answer :: term(), Trust :: term()}).
%% `identity' and `address' are what others know this node by; `trust' is asked who may be heard and what it is worth.
%% `clock' is that of {@link set_clock/2}, 0 by default; `sequence' is the number of the first envelope, by default the time in
%% µs. `threshold' is that of {@link cambrian_threshold}, `once' that of {@link cambrian_admission}; for all else see
%% {@link cambrian_bridge:options()}.
-type options() :: #{realm := binary(), identity := cambrian_identity:identity(), address := binary(),
                     trust := {ask(), Trust :: term()}, seed := integer(), now := integer(),
                     clock => integer(), sequence => non_neg_integer(),
                     grant => undefined | binary(), publish => boolean(), threshold => number(), interval => non_neg_integer(),
                     budget => pos_integer(), share => number(), policy => policy(), migration_interval => pos_integer(),
                     topology => cambrian_members:topology(), once => cambrian_admission:once()}.
-type claims() :: #{fitness := float(), generation := non_neg_integer(), parents := [cambrian_genotype:id()],
                    operators := [atom() | binary()], atom() => term()}.
%% What is known of a genotype of others: what was measured here, that it could not be, that it was too costly and until
%% when that holds, or that nobody was here to find it out.
-type verdict() :: Measured :: float() | failed | {too_costly, Until :: integer()} | heard.
%% `fitness' as it was measured here, `origin' as who bred it signed.
-type best() :: #{genotype := cambrian_genotype:genotype(), fitness := float(), origin := cambrian_identity:key()}.
%% An `ask' and a `fetch' are to be answered, by {@link answered/4}; an offer by {@link judged/4}.
-type effect() :: {publish, binary()} | {send, binary()}
                | {ask, Ref :: pos_integer(), Address :: binary(), binary()}
                | {fetch, Ref :: pos_integer(), cambrian_transport:content()}
                | {offer, task(), cambrian_genotype:genotype(), From :: map()} | {pick, task(), policy()}
                | {lineage, cambrian_genotype:id(), Record :: binary()} | {event, atom(), map()}.
%% To who calls: `busy', if it or all strangers together ask too often. With `make', {@link cambrian_delivery:differences/1} does
%% the work, in another process, and {@link made/4} has the answer.
-type reply() :: {answer, binary()} | busy | {make, Target :: cambrian_genotype:id(), cambrian_delivery:job()}.

%% What others can have from here. `signed' is what its breeder signed, if that is another.
-record(held, {id :: cambrian_genotype:id(), task :: task(), genotype :: cambrian_genotype:genotype(), claims :: claims(),
               %% the newcomers whose genes it has, itself among them where it came from elsewhere
               sources = [] :: [cambrian_purge:source()],
               breeder :: cambrian_identity:key(), signed :: undefined | binary(), envelope :: undefined | binary()}).
-record(task, {name :: task(), present = true :: boolean(), best :: undefined | #held{}, trickle :: cambrian_trickle:trickle(),
               threshold :: cambrian_threshold:threshold(),
               %% ours that was not published yet, and when the next may be
               pending :: undefined | #held{}, free_at = 0 :: integer(), migrant_at :: integer() | never,
               quarantine = cambrian_quarantine:new() :: cambrian_quarantine:quarantine(map()),
               offered = #{} :: #{cambrian_genotype:id() => map()},
               %% what strangers may cost the populations; whether many of what these breed fail
               budget :: cambrian_budget:budget(), failing = false :: boolean()}).
-record(call, {kind :: who | ping, address :: binary(), key :: cambrian_identity:key(), at :: integer(),
               nonce = none :: none | cambrian_message:nonce()}).
-record(exchange, {options :: map(), ask :: ask(), trust :: term(), rand :: rand:state(),
                   %% how far the time of day is ahead of `Now'
                   clock = 0 :: integer(),
                   sequence :: non_neg_integer(), tasks = #{} :: #{task() => #task{}}, wanted = [] :: [task() | all],
                   members :: cambrian_members:members(), addresses :: cambrian_addresses:addresses(),
                   %% how much of what comes is worked on
                   meter :: cambrian_meter:meter(), callers :: cambrian_meter:meter(),
                   heartbeat_at :: integer(), spoke_at = 0 :: integer(), tell_at :: integer(),
                   %% certificates of this node that are new, and how often they are still to be told alone
                   fresh = [] :: [binary()], retells = 0 :: non_neg_integer(),
                   %% when to tell the charters of the realm, if it has any
                   charters = none :: none | cambrian_trickle:trickle(), charters_rand :: rand:state(),
                   %% the time in the last heartbeat
                   stamp = 0 :: integer(),
                   %% that were alive when it was counted last, with this one
                   nodes = 1 :: pos_integer(), counted_at = 0 :: integer(),
                   held = cambrian_bounded_map:new(32, 2_000_000) :: cambrian_bounded_map:bounded_map(cambrian_genotype:id(), #held{}),
                   known = cambrian_bounded_map:new(4096) :: cambrian_bounded_map:bounded_map({task(), cambrian_genotype:id()}, verdict()),
                   requests = cambrian_mesh_requests:new() :: cambrian_mesh_requests:requests(),
                   %% of whom newcomers are taken, in this second
                   sources = {-1, []} :: {Second :: integer(), all | [cambrian_identity:key()]},
                   %% questions who lives somewhere, or how far away it is
                   calls = #{} :: #{pos_integer() => #call{}},
                   %% differences that were asked for lately
                   made = cambrian_bounded_map:new(1024, 4 bsl 20)
                       :: cambrian_bounded_map:bounded_map({Target :: cambrian_genotype:id(), Base :: cambrian_genotype:id()}, binary() | none),
                   journal = cambrian_journal:new() :: cambrian_journal:journal(),
                   effects = [] :: [effect()]}).
-opaque exchange() :: #exchange{}.

-define(DEFAULTS, #{grant => undefined, publish => true, threshold => 0.99, interval => 1000, budget => 8, share => 0.1, policy => champion,
                    migration_interval => 10_000, topology => all,
                    once => fun(_Key, Fun) -> Fun() end}).
%% An envelope up to this size is not announced but sent: to ask for it would cost more.
-define(SMALL, 512).
-define(TRICKLE, #{shortest => 4_000, longest => 900_000, redundancy => 1}).
%% Many nodes find many improvements: of a task, all of them together tell no more than one in so many ms for each node,
%% so that what a node hears of it does not grow with their number.
-define(PACE_MS, 20).
%% How often others are told again whom this key succeeds; and at first, so many times, what is new of that.
-define(TELL_MS, 600_000).
-define(RETELL_MS, 10_000).
-define(RETELLS, 60).
-define(MAX_PINGS, 2).
%% What an evaluation costs beyond so many units of work, about a millisecond, counts in quarantine before the number of
%% turns: below it, to unpack and compile a genotype takes as long, and a turn is a turn.
-define(TURN, 1_000_000).
%% A population grows: what was too costly is looked at again after so long.
-define(TOO_COSTLY_MS, 600_000).
%% How many are worked on in a second: of keys that have earned it, of others that are known here, and of all the rest
%% together. A signature takes a tenth of a ms to check, so that all of it is some percent of one core.
-define(HEARTBEATS, #{earned => 400, known => 200, fresh => 50}).
%% Records and envelopes, of which one of 4 KiB more counts one more.
-define(CLAIMS, #{earned => 600, known => 300, fresh => 100}).
-define(WEIGHED, 4096).
%% Questions to an address who lives there, and to others for what somebody announced and does not give.
-define(QUESTIONS, #{earned => 200, known => 20, fresh => 10}).
-define(ELSEWHERE, #{earned => 50, known => 10, fresh => 5}).
%% Calls from one address, and from all together where no key is known to live.
-define(REQUESTS_OF_ONE, 20).
-define(REQUESTS_OF_STRANGERS, 500).
%% So few nodes answer one that comes, each within so long.
-define(FEW, 30).
-define(MANY, 200).
-define(WELCOME_MS, 500).
%% Above those of requests.
-define(CALL_REFS, 1 bsl 32).

%%% ---- beginning --------------------------------------------------------------------------

-spec new(options()) -> {[effect()], exchange()}.
new(#{trust := {Ask, Trust}, seed := Seed, now := Now, identity := #{key := Key}} = Options) ->
    Rand = rand:seed_s(exsss, Seed),
    Clock = maps:get(clock, Options, 0),
    #{address := Address} = Options,
    X = #exchange{options = maps:merge(?DEFAULTS, maps:without([trust, seed, now, clock, sequence], Options)),
                  ask = Ask, trust = Trust, rand = Rand, clock = Clock,
                  sequence = maps:get(sequence, Options, (Now + Clock) * 1000), members = cambrian_members:new(Key, Seed),
                  addresses = cambrian_addresses:new(Address), meter = cambrian_meter:new(rand:jump(rand:jump(Rand))),
                  callers = cambrian_meter:new(rand:jump(rand:jump(rand:jump(Rand)))),
                  heartbeat_at = Now, tell_at = Now, charters_rand = rand:seed_s(exsss, {Seed, 0, 0})},
    tick(Now, X).

%% @doc How many ms since 1970 there are beyond `Now', which changes when somebody sets the clock of this machine.
-spec set_clock(integer(), exchange()) -> exchange().
set_clock(Clock, X) -> X#exchange{clock = Clock}.

%% In ms since 1970.
time(Now, #exchange{clock = Clock}) -> Now + Clock.

%% @doc The key that others know this node by.
-spec origin(exchange()) -> cambrian_identity:key().
origin(#exchange{options = #{identity := #{key := Key}}}) -> Key.

%% @doc What it was given as `trust', as it is by now.
-spec trust(exchange()) -> term().
trust(#exchange{trust = Trust}) -> Trust.

done(#exchange{effects = Effects} = X) -> {lists:reverse(Effects), X#exchange{effects = []}}.

effect(Effect, #exchange{effects = Effects} = X) -> X#exchange{effects = [Effect | Effects]}.

event(Name, Facts, X) -> effect({event, Name, Facts}, X).

note(Id, Step, Details, Now, #exchange{journal = Journal} = X) ->
    X#exchange{journal = cambrian_journal:note(Id, Step, Details, time(Now, X), Journal)}.

ask(Request, Now, #exchange{ask = Ask, trust = Trust} = X) ->
    {Answer, Next} = Ask(Request, time(Now, X), Trust),
    {Answer, X#exchange{trust = Next}}.

%% For {@link cambrian_admission}, with the clock in it. What may be opened as far as its claims go is opened if there is
%% room for one more of its kind: before that, nothing was done that costs.
admission(Weight, Now) ->
    fun({admit, #{origin := Origin} = Claims} = Request, Y) ->
            case ask(Request, Now, Y) of
                %% of one whose grant had to be read this was the second time
                {ok, Z} when is_map(map_get(grant, Claims)) -> {ok, Z};
                {{error, _}, _} = No -> No;
                {Answer, Z} ->
                    case take(claims, ?CLAIMS, Weight, Origin, Now, Z) of
                        {true, Metered} -> {Answer, Metered};
                        {false, Metered} -> {{error, metered}, Metered}
                    end
            end;
       (Request, Y) -> ask(Request, Now, Y)
    end.

%% Whether one more of this kind is worked on, which this key sent, or is said to have sent.
take(Kind, Budgets, Key, Now, X) -> take(Kind, Budgets, 1, Key, Now, X).

take(Kind, Budgets, Weight, Key, Now, X) ->
    {Class, #exchange{meter = Meter} = Asked} = class(Key, Now, X),
    {Taken, Next} = cambrian_meter:take({Kind, Class}, Weight, map_get(Class, Budgets), Now, Meter),
    {Taken, Asked#exchange{meter = Next}}.

class(Key, Now, #exchange{members = Members} = X) ->
    case ask({has_earned, Key}, Now, X) of
        {true, Y} -> {earned, Y};
        {false, Y} -> {case cambrian_members:is_known(Key, Members) of true -> known; false -> fresh end, Y}
    end.

option(Name, #exchange{options = Options}) -> maps:get(Name, Options).

%% What costs, and depends on bytes alone.
once(Key, Fun, X) -> (option(once, X))(Key, Fun).

%% Soon, as is fit for so many nodes.
say_again(Now, #task{trickle = Trickle} = Task, X) ->
    Task#task{trickle = cambrian_trickle:reset(first_interval(X), Now, Trickle)}.

%% So long that each node can say something in its turn.
first_interval(#exchange{nodes = Nodes}) ->
    #{shortest := Shortest} = ?TRICKLE,
    max(Shortest, 2 * Nodes * ?PACE_MS).

%% Who takes in a champion lets some time pass before it tells of one that is a little better, each another.
let_pass(Now, #task{free_at = At} = Task, #exchange{nodes = Nodes, rand = Rand} = X) ->
    {Share, Next} = rand:uniform_s(Rand),
    {Task#task{free_at = max(At, Now + round(Nodes * ?PACE_MS * (0.5 + Share)))}, X#exchange{rand = Next}}.

random(#exchange{rand = Rand} = X) ->
    Next = rand:jump(Rand),
    {Rand, X#exchange{rand = Next}}.

%%% ---- populations here -------------------------------------------------------------------

%% @doc A population of this task is here.
-spec join(task(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
join(Name, Now, #exchange{tasks = Tasks} = X) ->
    case Tasks of
        %% what was with a population that is back after a crash, it tells again or not at all
        #{Name := Known} -> done(offer_more(Now, put_task(Known#task{present = true, offered = #{}}, X)));
        _ ->
            {Rand, Next} = random(X),
            Task = #task{name = Name, trickle = cambrian_trickle:new(?TRICKLE, Rand, Now),
                         threshold = cambrian_threshold:new(option(threshold, X)),
                         budget = cambrian_budget:new(option(share, X)), migrant_at = first_migrant(Now, X)},
            done(put_task(Task, Next))
    end.

first_migrant(_Now, #exchange{options = #{policy := champion}}) -> never;
first_migrant(_Now, #exchange{options = #{publish := false}}) -> never;
first_migrant(Now, #exchange{options = #{migration_interval := Interval}}) -> Now + Interval.

%% @doc The last population of this task is gone: what waits for it is dropped, and the best is still told.
-spec leave(task(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
leave(Name, _Now, #exchange{tasks = Tasks} = X) ->
    case Tasks of
        #{Name := Task} -> done(put_task(Task#task{present = false, quarantine = cambrian_quarantine:new(), offered = #{}}, X));
        _ -> done(X)
    end.

put_task(#task{name = Name} = Task, #exchange{tasks = Tasks} = X) -> X#exchange{tasks = Tasks#{Name => Task}}.

task(Name, #exchange{tasks = Tasks}) -> maps:get(Name, Tasks).

%% @doc Genotypes of these tasks are wanted even without a population.
-spec listens([task() | all], Now :: integer(), exchange()) -> exchange().
listens(Wanted, _Now, X) -> X#exchange{wanted = Wanted}.

is_of_interest(Name, #exchange{wanted = Wanted} = X) ->
    is_present(Name, X) orelse lists:member(all, Wanted) orelse lists:member(Name, Wanted).

is_present(Name, #exchange{tasks = Tasks}) ->
    case Tasks of
        #{Name := #task{present = Present}} -> Present;
        _ -> false
    end.

%%% ---- what is bred here ------------------------------------------------------------------

%% @doc The champion of a population here. `final', if it is the last one for now: it is published if it is better at all;
%% `signed' is what its breeder signed, if it came from elsewhere.
-spec bred(task(), #{champion := cambrian_genotype:genotype(), atom() => term()}, Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
bred(Name, Champion, Now, X) ->
    Held = own(Name, Champion, X),
    case is_any_banned_by_user(Held, Now, X) of
        {true, Same} -> done(Same);
        {false, Same} -> bred(Name, Champion, Held, Now, Same)
    end.

bred(Name, #{fitness := Fitness} = Champion, Held, Now, #exchange{tasks = Tasks} = X) ->
    #{Name := #task{best = Best, threshold = Threshold} = Task} = Tasks,
    case is_foreign(Held, Task, X) of
        true -> done(put_task(Task#task{best = better(Held, Best)}, X));
        false ->
            Better = Task#task{threshold = cambrian_threshold:improved(Fitness, Threshold), pending = Held,
                               best = better(Held, Best)},
            done(publish_due(maps:get(final, Champion, false), Better, Now, X))
    end.

own(Task, #{champion := Genotype} = Champion, X) ->
    Id = cambrian_genotype:id(Genotype),
    #{parents := Parents} = Claims = maps:merge(#{generation => 0, parents => [], operators => []},
                                                maps:with([fitness, generation, parents, operators], Champion)),
    Held = #held{id = Id, task = Task, genotype = Genotype, claims = Claims#{parents := others(Parents, Id)},
                 breeder = origin(X), sources = maps:get(sources, Champion, [])},
    signed_by(maps:get(signed, Champion, undefined), Held, X).

%% Twins have the same id, and so has a child that nothing was changed of: an envelope names each parent once.
others([], _Id) -> [];
others([Id | Parents], Id) -> others(Parents, Id);
others([Parent | Parents], Id) -> [Parent | others([Other || Other <- Parents, Other =/= Parent], Id)].

signed_by(undefined, Held, _X) -> Held;
signed_by(Record, #held{id = Id, claims = Claims} = Held, X) ->
    case read_record(Record, X) of
        {ok, #{genotype := Id, origin := By} = Signed} ->
            Held#held{breeder = By, signed = Record,
                      claims = maps:merge(Claims, maps:with([generation, parents, operators], Signed))};
        _ -> Held
    end.

read_record(Record, X) -> once({record, Record}, fun() -> cambrian_envelope:read_record(Record) end, X).

better(Held, Best) -> case beats(Held, Best) of true -> Held; false -> Best end.

%% A champion that came from elsewhere is not told as our own.
is_foreign(#held{id = Id, breeder = By}, #task{name = Name, best = Best}, #exchange{known = Known} = X) ->
    Own = origin(X),
    case Best of
        _ when By =/= Own -> true;
        #held{id = Id, breeder = Breeder} -> Breeder =/= Own;
        _ -> cambrian_bounded_map:find({Name, Id}, Known) =/= error
    end.

%% Of two that are equally fit all nodes choose the same.
beats(_, undefined) -> true;
beats(#held{id = Id, claims = #{fitness := A}}, #held{id = Other, claims = #{fitness := B}}) -> is_better({A, Id}, {B, Other}).

is_better(_, none) -> true;
is_better({A, _}, {B, _}) when A > B -> true;
is_better({A, Id}, {B, Other}) -> A == B andalso Id < Other.

%% Whether the pending one is told now, later or never.
publish_due(_Final, #task{pending = undefined} = Task, _Now, X) -> put_task(Task, X);
publish_due(_Final, Task, _Now, #exchange{options = #{publish := false}} = X) -> put_task(Task#task{pending = undefined}, X);
publish_due(_Final, Task, _Now, #exchange{options = #{policy := Policy}} = X) when Policy =/= champion ->
    put_task(Task#task{pending = undefined}, X);
publish_due(Final, #task{free_at = At} = Task, Now, X) when At > Now ->
    put_task(case Final of true -> urgent(Task); false -> Task end, X);
publish_due(Final, #task{pending = #held{claims = #{fitness := Fitness} = Claims}, threshold = Threshold} = Task, Now, X) ->
    Last = cambrian_threshold:last(Threshold),
    Wanted = case Final orelse is_map_key(urgent, Claims) of
                 true -> Last =:= none orelse Fitness > Last;
                 false -> cambrian_threshold:is_worth(Fitness, Threshold)
             end,
    case Wanted of
        true -> tell_own(Task, Now, X);
        false -> put_task(Task, X)
    end.

urgent(#task{pending = #held{claims = Claims} = Held} = Task) -> Task#task{pending = Held#held{claims = Claims#{urgent => true}}}.

tell_own(#task{name = Name, pending = #held{claims = Claims} = Pending, threshold = Threshold} = Task, Now, X) ->
    Held = Pending#held{claims = maps:remove(urgent, Claims)},
    Told = Task#task{pending = undefined, free_at = Now + max(option(interval, X), X#exchange.nodes * ?PACE_MS),
                     threshold = cambrian_threshold:told(maps:get(fitness, Claims), Threshold)},
    case tell(Held, Now, put_task(say_again(Now, Told, X), X)) of
        {ok, Sealed, Next} -> keep_envelope(Name, Sealed, Next);
        {{error, Reason}, Next} -> event(not_published, #{task => Name, genotype => Held#held.id, reason => Reason}, Next)
    end.

keep_envelope(Name, #held{id = Id, envelope = Envelope} = Held, X) ->
    case task(Name, X) of
        #task{best = #held{id = Id} = Best} = Task -> put_task(Task#task{best = Best#held{envelope = Envelope}}, hold(Held, X));
        _ -> hold(Held, X)
    end.

%% @doc Publishes at once what the user says of a genotype.
-spec publish(task(), cambrian_genotype:genotype(), claims(), Now :: integer(), exchange()) ->
          {{ok, cambrian_genotype:id()} | {error, term()}, [effect()], exchange()}.
publish(Task, Genotype, Claims, Now, X) ->
    #held{id = Id} = Held = own(Task, Claims#{champion => Genotype}, X),
    case tell(Held, Now, X) of
        {ok, Sealed, Next} -> answer({ok, Id}, hold(Sealed, Next));
        {Error, Next} -> answer(Error, Next)
    end.

answer(Answer, X) ->
    {Effects, Next} = done(X),
    {Answer, Effects, Next}.

%% @doc What a population gave for a `pick'.
-spec picked(task(), #{champion := cambrian_genotype:genotype(), atom() => term()}, Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
picked(Name, Champion, Now, X) ->
    Held = own(Name, Champion, X),
    case is_any_banned_by_user(Held, Now, X) of
        {true, Same} -> done(Same);
        {false, Same} ->
            case tell(Held, Now, Same) of
                {ok, Sealed, Next} -> done(hold(Sealed, Next));
                {_Error, Next} -> done(Next)
            end
    end.

%%% ---- what is banned ---------------------------------------------------------------------

%% Its genes, by whom they came or were bred.
is_any_banned_by_user(Held, Now, X) -> ask({is_any_banned_by_user, subjects(Held)}, Now, X).

subjects(#held{id = Id, breeder = Breeder, sources = Sources}) ->
    lists:usort([{genotype, Id}, {key, Breeder}]
                ++ lists:append([[{genotype, Of} | [{key, Key} || Key <- Keys]] || #{genotype := Of, keys := Keys} <- Sources])).

%% @doc Nothing of it is held, waits or is told any more, nor of what has its genes ({@link cambrian_realm:banned/2}).
-spec banned(#{keys := [cambrian_identity:key()], genotypes := [cambrian_genotype:id()]}, Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
banned(#{keys := Keys, genotypes := Ids}, Now, #exchange{tasks = Tasks, held = Held, known = Known, requests = Requests} = X) ->
    Banned = maps:from_keys([{key, Key} || Key <- Keys] ++ [{genotype, Id} || Id <- Ids], banned),
    IsBanned = fun(Subjects) -> lists:any(fun(Subject) -> is_map_key(Subject, Banned) end, Subjects) end,
    IsHeld = fun(Of) -> IsBanned(subjects(Of)) end,
    IsItem = fun(Item) -> IsBanned(subjects_of(Item)) end,
    Left = lists:foldl(fun({Id, Of}, Recent) -> case IsHeld(Of) of true -> cambrian_bounded_map:remove(Id, Recent); false -> Recent end end,
                       Held, cambrian_bounded_map:to_list(Held)),
    Forgotten = case Keys of
                    [] -> lists:foldl(fun cambrian_bounded_map:remove/2, Known, [{Name, Id} || Name <- maps:keys(Tasks), Id <- Ids]);
                    %% what a banned key sent may be another's as well, who may send it again
                    _ -> cambrian_bounded_map:new(4096)
                end,
    Told = lists:foldl(fun(Id, Y) -> note(Id, banned, #{}, Now, Y) end, X, [Id || {Id, Of} <- cambrian_bounded_map:to_list(Held), IsHeld(Of)]),
    Without = Told#exchange{held = Left, known = Forgotten, requests = cambrian_mesh_requests:without(IsItem, Requests)},
    done(lists:foldl(fun(Name, Y) -> without_banned(task(Name, Y), IsHeld, IsItem, Now, Y) end, Without,
                     lists:sort(maps:keys(Tasks)))).

subjects_of(#{id := Id, claims := #{origin := Origin}} = Item) ->
    [{genotype, Id}, {key, Origin} | [{key, Breeder} || #{from := #{breeder := Breeder}} <- [Item]]].

without_banned(#task{best = Best, pending = Pending, quarantine = Quarantine, offered = Offered} = Task, IsHeld, IsItem, Now, X) ->
    {Dropped, Waiting} = cambrian_quarantine:without(IsItem, Quarantine),
    Stopped = maps:filter(fun(_, Item) -> IsItem(Item) end, Offered),
    Clean = fun(Of) -> case Of =/= undefined andalso IsHeld(Of) of true -> undefined; false -> Of end end,
    Left = Task#task{best = Clean(Best), pending = Clean(Pending), quarantine = Waiting,
                     offered = maps:without(maps:keys(Stopped), Offered)},
    Gone = [Id || #held{id = Id} = Of <- [Best], IsHeld(Of)] ++ lists:sort(maps:keys(Stopped)) ++ [Id || #{id := Id} <- Dropped],
    Noted = lists:foldl(fun(Id, Y) -> note(Id, banned, #{}, Now, Y) end, X, Gone),
    put_task(case Left of
                 %% what is told next need not be better than what is banned
                 #task{best = undefined} -> Left#task{threshold = cambrian_threshold:new(option(threshold, X))};
                 _ -> Left
             end, Noted).

%%% ---- saying it --------------------------------------------------------------------------

%% What is banned here is not spread from here. The envelope is kept: others may ask for it.
tell(#held{id = Id, task = Task, claims = #{fitness := Fitness}} = Held, Now, X) ->
    case ask({is_banned, {genotype, Id}}, Now, X) of
        {true, Next} -> {{error, banned_genotype}, Next};
        {false, Next} ->
            case seal(Held, Now, Next) of
                {ok, #held{envelope = Envelope} = Sealed, Said} ->
                    Facts = maps:with([fitness, generation], Held#held.claims),
                    Noted = note(Id, published, #{task => Task, fitness => Fitness}, Now, Said),
                    {ok, Sealed, event(published, Facts#{task => Task, genotype => Id, bytes => byte_size(Envelope)},
                                       say(news, Sealed, Noted))};
                Error -> {Error, Next}
            end
    end.

say(news, #held{envelope = Envelope}, X) when byte_size(Envelope) =< ?SMALL -> effect({publish, Envelope}, X);
say(Urgency, #held{envelope = Envelope}, #exchange{options = #{address := Address}} = X) ->
    {ok, Read, _} = cambrian_envelope:read(Envelope),
    Announcement = cambrian_message:announcement(Urgency, cambrian_envelope:record(Read), Address),
    effect({publish, Announcement}, offer_blob(Envelope, X)).

offer_blob(Envelope, X) ->
    case cambrian_delivery:is_large(Envelope) of
        true -> effect({send, Envelope}, X);
        false -> X
    end.

%% What we say of it, of whose fitness we know here, under our own name and with this hour's number.
seal(#held{task = Task, genotype = Genotype, claims = Claims} = Held, Now, #exchange{sequence = Sequence, options = Options} = X) ->
    #{realm := Realm, grant := Grant, identity := #{secret := Secret}} = Options,
    All = (maps:with([fitness, generation, parents, operators], Claims))
              #{realm => Realm, task => Task, grant => Grant, sequence => Sequence, time => time(Now, X)},
    case cambrian_envelope:seal(All, Genotype, Secret()) of
        {ok, Envelope} -> {ok, Held#held{envelope = Envelope}, X#exchange{sequence = Sequence + 1}};
        Error -> Error
    end.

hold(undefined, X) -> X;
hold(#held{id = Id, genotype = Genotype} = Held, #exchange{held = Recent} = X) ->
    X#exchange{held = cambrian_bounded_map:put(Id, Held, weight(Genotype), Recent)}.

find_held(Id, #exchange{held = Recent, tasks = Tasks}) ->
    case [Best || #task{best = #held{id = Other} = Best} <- maps:values(Tasks), Other =:= Id] of
        [Best | _] -> {ok, Best};
        [] -> cambrian_bounded_map:find(Id, Recent)
    end.

%%% ---- hearing ----------------------------------------------------------------------------

%% @doc Something arrived on the realm's topic, or something that was too large to be looked at.
-spec heard(Bytes :: term(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
heard({too_large, _Size} = Reason, Now, X) -> done(refused(Reason, Now, X));
heard(Bytes, Now, X) ->
    done(case cambrian_message:kind(Bytes) of
             {envelope, Envelope} -> heard_envelope(Envelope, Now, X);
             {announcement, Urgency, Record, Address} -> heard_announcement(Urgency, Record, Address, Now, X);
             {heartbeat, Body, Signature} -> heard_heartbeat(Body, Signature, Now, X);
             {succession, Certificate} -> heard_succession(Certificate, Now, X);
             {charters, Charters} -> heard_charters(Charters, Now, X);
             malformed -> refused(malformed, Now, X)
         end).

refused(Reason, Now, X) ->
    {_, Next} = ask({refused, Reason, #{}}, Now, X),
    rejected(Reason, Next).

rejected(Reason, X) -> event(rejected, #{reason => cambrian_realm:kind(Reason)}, X).

heard_envelope(Bytes, Now, X) ->
    Weight = 1 + byte_size(Bytes) div ?WEIGHED,
    {Answer, Next} = cambrian_admission:envelope(Bytes, lookup(X), option(once, X), admission(Weight, Now), X),
    admitted(Answer, Bytes, Now, Next).

%% Of a genotype that is held here.
lookup(X) ->
    fun(Id) ->
        case find_held(Id, X) of
            {ok, #held{genotype = Genotype}} -> {ok, Genotype};
            error -> error
        end
    end.

admitted({ok, _, #{origin := Origin}}, _Bytes, _Now, #exchange{options = #{identity := #{key := Origin}}} = X) ->
    rejected(own, X);
admitted({ok, Genotype, #{genotype := Id, origin := Origin} = Claims}, Bytes, Now, X) ->
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    Record = cambrian_envelope:record(Envelope),
    Noted = note(Id, received, #{origin => Origin, fitness => maps:get(fitness, Claims), bytes => byte_size(Bytes)}, Now,
                 effect({lineage, Id, Record}, heard_of(Claims, Now, X))),
    arrived(Genotype, Claims, Origin, Record, Now, Noted);
admitted({error, Reason}, _Bytes, _Now, X) -> rejected(Reason, X).

heard_of(#{origin := Origin}, Now, #exchange{members = Members} = X) ->
    X#exchange{members = cambrian_members:spoke(Origin, Now, Members)}.

heard_succession(Certificate, Now, X) ->
    case followed(Certificate, Now, X) of
        {ok, #exchange{members = Members} = Next} ->
            {ok, #{old := Old, new := New}} = cambrian_identity:peek_succession(Certificate),
            (moved(Old, New, Next))#exchange{members = cambrian_members:forget(Old, Members)};
        {known, Next} -> Next;
        {{error, Reason}, Next} -> rejected(Reason, Next)
    end.

followed(Certificate, Now, X) ->
    cambrian_admission:succession(Certificate, option(once, X), fun(Request, Y) -> ask(Request, Now, Y) end, X).

%% Where the old key lived lives its heir.
moved(Old, New, #exchange{members = Members, addresses = Addresses} = X) ->
    case cambrian_members:address(Old, Members) of
        {ok, Address} ->
            case cambrian_addresses:claim(Address, Old, 0, Addresses) of
                proven -> X#exchange{addresses = cambrian_addresses:moved(Address, New, Addresses)};
                _ -> X
            end;
        none -> X
    end.

%%% ---- charters ---------------------------------------------------------------------------

%% @doc What the owners of the realm signed, for this node and all others.
-spec amend(binary(), Now :: integer(), exchange()) -> {ok | {error, term()}, [effect()], exchange()}.
amend(Charter, Now, X) ->
    case amended(Charter, Now, X) of
        {ok, Next} -> answer(ok, tell_charters(Now, say_charters_again(Now, Next)));
        {same, Next} -> answer(ok, tell_charters(Now, Next));
        {older, Next} -> answer({error, superseded}, Next);
        {Error, Next} -> answer(Error, Next)
    end.

amended(Charter, Now, X) ->
    cambrian_admission:charter(Charter, option(once, X), fun(Request, Y) -> ask(Request, Now, Y) end, X).

%% Who tells older ones is told the newer soon, and so are others of what was news here.
heard_charters(Charters, Now, X) ->
    {Answers, Next} = lists:mapfoldl(fun(Charter, Y) -> amended(Charter, Now, Y) end, X, Charters),
    case {lists:member(ok, Answers), lists:last(Answers)} of
        {true, _} -> say_charters_again(Now, Next);
        {false, older} -> say_charters_again(Now, Next);
        {false, same} -> heard_same_charters(Next);
        {false, {error, Reason}} -> rejected(Reason, Next)
    end.

heard_same_charters(#exchange{charters = none} = X) -> X;
heard_same_charters(#exchange{charters = Trickle} = X) -> X#exchange{charters = cambrian_trickle:heard(Trickle)}.

say_charters_again(Now, #exchange{charters = none, charters_rand = Rand} = X) ->
    X#exchange{charters = cambrian_trickle:new(?TRICKLE, Rand, Now)};
say_charters_again(Now, #exchange{charters = Trickle} = X) ->
    X#exchange{charters = cambrian_trickle:reset(first_interval(X), Now, Trickle)}.

tell_charters(Now, X) ->
    case ask(charters, Now, X) of
        {[], Next} -> Next#exchange{charters = none};
        {Charters, Next} -> effect({publish, cambrian_message:charters(Charters)}, Next)
    end.

charters_due(_Now, #exchange{charters = none} = X) -> X;
charters_due(Now, #exchange{charters = Trickle} = X) ->
    case cambrian_trickle:tick(Now, Trickle) of
        {speak, Next} -> tell_charters(Now, X#exchange{charters = Next});
        {quiet, Next} -> X#exchange{charters = Next}
    end.

%% Who trusts here may have been given one directly.
look_for_charters(Now, #exchange{charters = none} = X) ->
    case ask(charters, Now, X) of
        {[], Next} -> Next;
        {_, Next} -> say_charters_again(Now, Next)
    end;
look_for_charters(_Now, X) -> X.

%%% ---- heartbeats of others ---------------------------------------------------------------

heard_heartbeat(Body, Signature, Now, #exchange{members = Members} = X) ->
    case cambrian_message:read_heartbeat(Body, cambrian_members:max_interval()) of
        {ok, Heartbeat} ->
            case cambrian_members:is_news(Heartbeat, time(Now, X), Members) of
                true -> is_there(Heartbeat, {Body, Signature}, Now, X);
                false -> X
            end;
        {error, Reason} -> refused(Reason, Now, X)
    end.

%% A signature takes long to check, and there may be very many that are none.
is_there(#{key := Key} = Heartbeat, Signed, Now, #exchange{options = #{realm := Realm}} = X) ->
    case ask({is_heard, Key}, Now, X) of
        {false, Next} -> Next;
        {true, Asked} ->
            case take(heartbeats, ?HEARTBEATS, Key, Now, Asked) of
                {false, Next} -> rejected(metered, Next);
                {true, Next} ->
                    case once({heartbeat, Realm, Signed}, fun() -> cambrian_message:is_genuine(Realm, Signed, Key) end, X) of
                        true -> alive(Key, cambrian_members:heartbeat(Heartbeat, Now, Next#exchange.members), Now, Next);
                        false -> refused(bad_signature, Now, Next)
                    end
            end
    end.

alive(Key, {new, Members}, Now, X) -> event(node_up, #{origin => Key}, welcome(Now, X#exchange{members = Members}));
alive(_Key, {known, Members}, _Now, X) -> X#exchange{members = Members}.

%% Who has just come, or was cut off, should not have to wait to know who is there and what the best is; among many, what some
%% say is enough.
welcome(Now, #exchange{heartbeat_at = At, spoke_at = Spoke, rand = Rand} = X) ->
    case counted(Now, X) of
        #exchange{nodes = Nodes, tasks = Tasks} = Counted when Nodes =< ?FEW ->
            {Ms, Next} = rand:uniform_s(?WELCOME_MS, Rand),
            Welcoming = case Counted of
                            #exchange{charters = none} -> Counted;
                            _ -> say_charters_again(Now, Counted)
                        end,
            Welcoming#exchange{heartbeat_at = min(At, max(Now, Spoke + ?WELCOME_MS) + Ms), rand = Next,
                             tasks = maps:map(fun(_, Task) -> say_again(Now, Task, Counted) end, Tasks)};
        Counted -> Counted
    end.

%% Among many, once a second is enough.
counted(Now, #exchange{nodes = Nodes, counted_at = At} = X) when Nodes > ?MANY, Now - At < 1000 -> X;
counted(Now, #exchange{members = Members} = X) ->
    X#exchange{nodes = map_size(cambrian_members:alive(Now, Members)) + 1, counted_at = Now}.

%%% ---- announcements ----------------------------------------------------------------------

heard_announcement(Urgency, Record, Address, Now, X) ->
    case cambrian_admission:record(Record, option(once, X), admission(1, Now), X) of
        {{ok, #{origin := Origin}}, #exchange{options = #{identity := #{key := Origin}}} = Same} -> rejected(own, Same);
        {{ok, #{task := Name} = Claims}, Same} ->
            case is_of_interest(Name, Same) of
                true -> announced(Urgency, Claims, Record, Address, Now, heard_of(Claims, Now, Same));
                false -> heard_of(Claims, Now, Same)
            end;
        {{error, Reason}, Same} -> rejected(Reason, Same)
    end.

announced(Urgency, #{task := Name, genotype := Id, fitness := Claimed, origin := Origin} = Claims, Record, Address, Now, X) ->
    case verdict(Name, Id, Now, X) of
        {ok, Measured} when is_float(Measured) ->
            compared(Urgency, Claims, {Measured, Id}, Now, said_of_known(Claims, Measured, Now, said_to_be_own(Urgency, Id, Record, X)));
        {ok, _} -> X;
        error ->
            case Urgency =:= best andalso not is_better({Claimed, Id}, best_of(Name, X)) of
                true -> compared(Urgency, Claims, {Claimed, Id}, Now, X);
                false ->
                    Want = #{id => Id, task => Name, claims => Claims, record => Record, addresses => [{Address, Origin}], whole => false},
                    want(Want, Now, note(Id, announced, #{origin => Origin, fitness => Claimed, address => Address}, Now, X))
            end
    end.

%% News are one's own; the best is anybody's to tell.
said_to_be_own(news, Id, Record, X) -> effect({lineage, Id, Record}, X);
said_to_be_own(best, _Id, _Record, X) -> X.

%% Ours, or of others and measured here.
verdict(Name, Id, Now, #exchange{tasks = Tasks, known = Known} = X) ->
    case Tasks of
        #{Name := #task{best = #held{id = Id, claims = #{fitness := Fitness}}}} -> {ok, Fitness};
        _ ->
            case cambrian_bounded_map:find({Name, Id}, Known) of
                {ok, heard} -> case is_present(Name, X) of true -> error; false -> {ok, heard} end;
                {ok, {too_costly, Until}} when Until =< Now -> error;
                Found -> Found
            end
    end.

best_of(Name, #exchange{tasks = Tasks}) ->
    case Tasks of
        #{Name := #task{best = #held{id = Id, claims = #{fitness := Fitness}}}} -> {Fitness, Id};
        _ -> none
    end.

%% Who tells the same best as ours need not hear it from us; who tells a lesser one should.
compared(best, #{task := Name, genotype := Id, origin := Origin}, Theirs, Now, #exchange{tasks = Tasks, requests = Requests} = X) ->
    case Tasks of
        #{Name := #task{best = #held{id = Id}, trickle = Trickle} = Task} ->
            %% not if others ignore who said it
            case cambrian_mesh_requests:is_avoided(Origin, Now, Requests) of
                true -> X;
                false -> put_task(Task#task{trickle = cambrian_trickle:heard(Trickle)}, X)
            end;
        #{Name := #task{best = #held{}} = Task} ->
            case is_better(best_of(Name, X), Theirs) of
                true -> put_task(say_again(Now, Task, X), X);
                false -> X
            end;
        _ -> X
    end;
compared(news, _Claims, _Theirs, _Now, X) -> X.

%% What is claimed of a genotype that was measured here needs no measuring.
said_of_known(#{origin := Origin, fitness := Claimed}, Measured, Now, X) ->
    {_, Next} = ask({checked, Origin, Claimed, Measured}, Now, X),
    Next.

want(#{claims := #{origin := Origin}} = Want, Now, Before) ->
    case is_source(Origin, Now, Before) of
        {true, X} ->
            {Account, #exchange{requests = Requests} = Asked} = account(Origin, Now, X),
            Waits = Want#{line => line(Account, Origin, Asked)},
            ask_for_more(Now, Asked#exchange{requests = cambrian_mesh_requests:add(Waits, Now, Requests)});
        {false, X} -> X
    end.

%% Who the sources are is looked for once a second: among thousands it takes long.
is_source(Origin, Now, #exchange{sources = {Second, Sources}} = X) when Second =:= Now div 1000 ->
    {Sources =:= all orelse lists:member(Origin, Sources), X};
is_source(Origin, Now, #exchange{members = Members} = X) ->
    Sources = cambrian_members:sources(option(topology, X), Now, Members),
    is_source(Origin, Now, X#exchange{sources = {Now div 1000, Sources}}).

ask_for_more(Now, #exchange{requests = Requests} = X) ->
    {Started, Next} = cambrian_mesh_requests:start(fun(#{task := Name, id := Id}) -> is_unknown(Name, Id, Now, X) end, Requests),
    lists:foldl(fun({Ref, Want}, Y) -> ask_for(Ref, Want, Now, Y) end, X#exchange{requests = Next}, Started).

%% Nothing is asked for that is here, waits here, or was found to be nothing.
is_unknown(Name, Id, Now, #exchange{tasks = Tasks} = X) ->
    verdict(Name, Id, Now, X) =:= error andalso
        case Tasks of
            #{Name := #task{offered = Offered}} -> not is_map_key(Id, Offered);
            _ -> true
        end.

%% Only of a key that lives where it says.
ask_for(Ref, #{addresses := [{Address, Key} | _]} = Want, Now, #exchange{addresses = Addresses} = X) ->
    case cambrian_addresses:claim(Address, Key, Now, Addresses) of
        proven -> request(Ref, Want, Now, X);
        asking -> X#exchange{addresses = cambrian_addresses:join(Address, Ref, Addresses)};
        unasked ->
            case take(questions, ?QUESTIONS, Key, Now, X) of
                {true, Next} -> who_lives_at(Address, Key, [Ref], Now, Next);
                {false, Next} -> not_called(Ref, metered, Now, Next)
            end;
        refused -> not_called(Ref, false_address, Now, X)
    end.

request(Ref, #{id := Id, task := Name, addresses := [{Address, _} | _], whole := Whole}, Now, X) ->
    Bases = case Whole of true -> []; false -> bases(Name, X) end,
    Noted = note(Id, asked, #{address => Address}, Now, X),
    effect({ask, Ref, Address, cambrian_message:request(Id, Bases)}, Noted).

not_called(Ref, Reason, Now, #exchange{requests = Requests} = X) ->
    case cambrian_mesh_requests:take(Ref, Requests) of
        {Want, Left} -> not_delivered(Reason, Want, Now, X#exchange{requests = Left});
        none -> X
    end.

%% Asked once for all who say that they live there.
who_lives_at(Address, Key, Waiting, Now, #exchange{addresses = Addresses, rand = Rand} = X) ->
    {Nonce, Next} = rand:bytes_s(32, Rand),
    call(#call{kind = who, address = Address, key = Key, at = Now, nonce = Nonce}, cambrian_message:who(Nonce),
         X#exchange{rand = Next, addresses = cambrian_addresses:question(Address, Waiting, Addresses)}).

call(#call{address = Address} = Call, Bytes, #exchange{sequence = Sequence, calls = Calls} = X) ->
    Ref = ?CALL_REFS + Sequence,
    effect({ask, Ref, Address, Bytes}, X#exchange{sequence = Sequence + 1, calls = Calls#{Ref => Call}}).

%% What a difference may be to: the best first, as others are likely to hold it.
bases(Name, #exchange{held = Recent, tasks = Tasks}) ->
    Best = [Id || #{Name := #task{best = #held{id = Id}}} <- [Tasks]],
    Others = [Id || {Id, #held{task = Task}} <- lists:reverse(cambrian_bounded_map:to_list(Recent)), Task =:= Name],
    Best ++ (Others -- Best).

%%% ---- calls ------------------------------------------------------------------------------

%% @doc Somebody calls for a genotype, from an address if the transport vouches for it.
-spec asked(binary(), From :: cambrian_transport:caller(), Now :: integer(), exchange()) -> {[effect()], reply(), exchange()}.
asked(Bytes, From, Now, X) ->
    {Reply, Next} = case is_served(From, Now, X) of
                        {true, Metered} -> reply(cambrian_message:read_request(Bytes), Now, Metered);
                        {false, Metered} -> {busy, rejected(busy, Metered)}
                    end,
    {Effects, Rest} = done(Next),
    {Effects, Reply, Rest}.

%% From where a key is known to live, so many as it may; all other callers together have another budget.
is_served(unknown, Now, #exchange{meter = Meter} = X) ->
    {Served, Next} = cambrian_meter:take(strangers, ?REQUESTS_OF_STRANGERS, Now, Meter),
    {Served, X#exchange{meter = Next}};
is_served(From, Now, #exchange{addresses = Addresses, callers = Callers} = X) ->
    {Served, Next} = cambrian_meter:take(From, ?REQUESTS_OF_ONE, Now, Callers),
    case Served andalso not cambrian_addresses:is_proven(From, Addresses) of
        true -> is_served(unknown, Now, X#exchange{callers = Next});
        false -> {Served, X#exchange{callers = Next}}
    end.

reply({ok, {who, Nonce}}, _Now, #exchange{options = #{realm := Realm, address := Address, identity := Identity}} = X) ->
    {{answer, cambrian_message:lives(Realm, Address, Nonce, Identity)}, X};
reply({ok, {Id, Bases}}, Now, X) -> give(find_held(Id, X), Bases, Now, X);
reply(_, _Now, X) -> {{answer, cambrian_message:answer(none)}, X}.

give(error, _Bases, _Now, X) -> {{answer, cambrian_message:answer(none)}, X};
give({ok, #held{envelope = undefined, task = Name} = Held}, Bases, Now, X) ->
    case seal(Held, Now, X) of
        {ok, #held{envelope = Envelope} = Sealed, Next} ->
            give({ok, Sealed}, Bases, Now, keep_envelope_of(Name, Sealed, offer_blob(Envelope, Next)));
        {error, _} -> give(error, Bases, Now, X)
    end;
give({ok, #held{id = Id, genotype = Genotype, envelope = Envelope, signed = Signed}}, Bases, _Now, #exchange{made = Made} = X) ->
    Offer = #{genotype => Genotype, envelope => Envelope, signed => Signed},
    Here = [{Base, Known, cambrian_bounded_map:find({Id, Base}, Made)}
            || cambrian_delivery:is_compared(Envelope), Base <- lists:usort(Bases), {ok, Known} <- [(lookup(X))(Base)]],
    Kept = [{Base, Difference} || {Base, _, {ok, Difference}} <- Here],
    case [{Base, Known} || {Base, Known, error} <- Here] of
        [] -> {{answer, cambrian_message:answer(cambrian_delivery:give(Offer, Kept))}, X};
        Missing -> {{make, Id, #{offer => Offer, made => Kept, missing => Missing}}, X}
    end.

%% @doc The answer, with the differences that were made for it, which are kept for whoever asks next.
-spec made(Target :: cambrian_genotype:id(), cambrian_delivery:job(), [cambrian_delivery:difference()], exchange()) ->
          {Answer :: binary(), exchange()}.
made(Target, #{offer := Offer, made := Kept}, Differences, #exchange{made = Made} = X) ->
    Keep = fun({Base, none}, All) -> cambrian_bounded_map:put({Target, Base}, none, 64, All);
              ({Base, Difference}, All) -> cambrian_bounded_map:put({Target, Base}, Difference, 64 + byte_size(Difference), All)
           end,
    {cambrian_message:answer(cambrian_delivery:give(Offer, Kept ++ Differences)),
     X#exchange{made = lists:foldl(Keep, Made, Differences)}}.

keep_envelope_of(Name, Held, #exchange{tasks = Tasks} = X) when is_map_key(Name, Tasks) -> keep_envelope(Name, Held, X);
keep_envelope_of(_Name, Held, X) -> hold(Held, X).

%% @doc What came of an `ask' or a `fetch'.
-spec answered(Ref :: pos_integer(), {ok, binary()} | {error, term()}, Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
answered(Ref, Result, Now, #exchange{calls = Calls} = X) when is_map_key(Ref, Calls) ->
    {#call{kind = Kind, key = Key, at = At} = Call, Left} = maps:take(Ref, Calls),
    Over = X#exchange{calls = Left},
    done(case Kind of
             ping -> measured(Result, Key, Now - At, Over);
             who -> lives(Result, Call, Now, Over)
         end);
answered(Ref, Result, Now, #exchange{requests = Requests} = X) ->
    case cambrian_mesh_requests:take(Ref, Requests) of
        {Want, Left} -> done(ask_for_more(Now, delivered(Result, Want, Now, X#exchange{requests = Left})));
        none -> done(X)
    end.

measured({ok, _}, Key, Ms, #exchange{members = Members} = X) ->
    X#exchange{members = cambrian_members:answered(Key, Ms, Members)};
measured({error, _}, Key, Ms, X) -> measured({ok, late}, Key, Ms + 10_000, X).

%% Those that waited for it are asked for now where it is true that their origins live there.
lives(Result, #call{address = Address, key = Claimed, at = At} = Call, Now, #exchange{addresses = Addresses} = X) ->
    Shown = shown(Result, Call, X),
    {Waiting, Known} = cambrian_addresses:answered(Address, Shown, Now, Addresses),
    Measured = case Shown of
                   {ok, Key} -> measured(Shown, Key, Now - At, X);
                   error -> measured({error, timeout}, Claimed, Now - At, X)
               end,
    ask_for_more(Now, lists:foldl(fun(Ref, Y) -> try_again(Ref, Now, Y) end, Measured#exchange{addresses = Known}, Waiting)).

shown({ok, Answer}, #call{address = Address, nonce = Nonce}, #exchange{options = #{realm := Realm}}) ->
    case cambrian_message:lives_at(Realm, Address, Nonce, Answer) of
        {ok, Key} -> {ok, Key};
        {error, _} -> error
    end;
shown({error, _}, _Call, _X) -> error.

try_again(Ref, Now, #exchange{requests = Requests} = X) ->
    case cambrian_mesh_requests:find(Ref, Requests) of
        {ok, Want} -> ask_for(Ref, Want, Now, X);
        error -> X
    end.

delivered({ok, Bytes}, Want, Now, X) ->
    Answer = case Want of
                 #{fetched := Breeder} -> {ok, {blob, Bytes, Breeder}};
                 _ -> cambrian_message:read_answer(Bytes)
             end,
    opened(Answer, byte_size(Bytes), Want, Now, X);
delivered({error, Reason}, Want, Now, X) -> not_delivered(Reason, Want, Now, X).

opened({error, Reason}, _Size, Want, Now, X) -> not_delivered(Reason, Want, Now, X);
opened({ok, Answer}, Size, Want, Now, #exchange{requests = Requests} = X) ->
    case cambrian_delivery:open(Answer, Want, lookup(X), option(once, X)) of
        {ok, Genotype, By, Signed} -> fetched(Genotype, By, Signed, Size, Want, Now, X);
        {blob, Content, Breeder} ->
            {Ref, Asked} = cambrian_mesh_requests:asking(Want#{fetched => Breeder}, Requests),
            effect({fetch, Ref, Content}, X#exchange{requests = Asked});
        %% Whoever signed what is no genotype lied, to whomever it was sent.
        {rubbish, Reason, Claims} ->
            {_, Told} = ask({rubbish, Reason, Claims}, Now, X),
            not_delivered(Reason, Want, Now, Told);
        %% Before another is asked, the same one is for the whole.
        {error, _} when element(1, Answer) =:= difference ->
            #{addresses := [Address | _] = Addresses} = Want,
            not_delivered(wrong_difference, Want#{addresses := [Address | Addresses]}, Now, X);
        {error, Reason} -> not_delivered(Reason, Want, Now, X)
    end.

%% The next who has it is asked, and then some who may. If nobody gives it, it will be announced again by those who have it.
not_delivered(Reason, #{id := Id, addresses := [{Address, _} | _], claims := #{origin := Origin}} = Want, Now, X) ->
    Noted = note(Id, not_delivered, #{reason => cambrian_realm:kind(Reason), address => Address}, Now, X),
    {Others, #exchange{requests = Requests} = Drawn} = elsewhere(Origin, Want, Now, Noted),
    case cambrian_mesh_requests:retry(maps:without([fetched], Want#{whole := true}), Others, Now, Requests) of
        {ok, Ref, Next, Asked} -> ask_for(Ref, Next, Now, Drawn#exchange{requests = Asked});
        {give_up, Rest} -> Drawn#exchange{requests = Rest}
    end.

%% Whoever announces what nobody has would have all others called for it: for all strangers together that is not often done.
elsewhere(_Origin, #{addresses := [_, _ | _]}, _Now, X) -> {[], X};
elsewhere(_Origin, #{elsewhere := true}, _Now, X) -> {[], X};
elsewhere(Origin, _Want, Now, X) ->
    case take(elsewhere, ?ELSEWHERE, Origin, Now, X) of
        {true, Next} -> some_addresses(Now, Next);
        {false, Next} -> {[], Next}
    end.

%% Of those who are there, in no order.
some_addresses(Now, #exchange{members = Members, rand = Rand} = X) ->
    {Numbered, Next} = lists:mapfoldl(fun(Address, R) ->
                                          {Number, Drawn} = rand:uniform_s(R),
                                          {{Number, Address}, Drawn}
                                      end, Rand, cambrian_members:addresses(Now, Members)),
    {[Address || {_, Address} <- lists:sort(Numbered)], X#exchange{rand = Next}}.

fetched(Genotype, By, Signed, Size, #{id := Id, claims := #{origin := Origin} = Claims, addresses := [{Address, _} | _]}, Now,
        #exchange{requests = Requests} = X) ->
    Next = effect({lineage, Id, Signed}, X#exchange{requests = cambrian_mesh_requests:served(Origin, Requests)}),
    Noted = note(Id, received, #{origin => Origin, breeder => By, address => Address, bytes => Size}, Now, Next),
    arrived(Genotype, Claims, By, Signed, Now, Noted).

%%% ---- quarantine -------------------------------------------------------------------------

%% Genuine, and a genotype. What it is worth is to be found out.
arrived(Genotype, #{task := Name, genotype := Id, origin := Origin} = Claims, Breeder, Signed, Now, X) ->
    Told = event(received, (maps:with([fitness, generation, task, origin], Claims))#{genotype => Id, value => Genotype}, X),
    case {verdict(Name, Id, Now, Told), is_present(Name, Told)} of
        {{ok, Measured}, _} when is_float(Measured) -> said_of_known(Claims, Measured, Now, Told);
        {{ok, _}, _} -> Told;
        {error, false} -> Told#exchange{known = cambrian_bounded_map:put({Name, Id}, heard, Told#exchange.known)};
        {error, true} ->
            case is_source(Origin, Now, Told) of
                {true, Asked} -> offer_more(Now, quarantined(item(Genotype, Claims, Breeder, Signed), task(Name, Asked), Now, Asked));
                {false, Asked} -> note(Id, not_a_source, #{origin => Origin}, Now, Asked)
            end
    end.

item(Genotype, #{genotype := Id, origin := Origin, fitness := Claimed, generation := Generation} = Claims, Breeder, Signed) ->
    From = #{origin => Origin, breeder => Breeder, claimed => Claimed, generation => Generation},
    #{id => Id, genotype => Genotype, from => From, signed => Signed, claims => Claims}.

quarantined(#{id := Id}, #task{offered = Offered}, _Now, X) when is_map_key(Id, Offered) -> X;
quarantined(#{genotype := Genotype, claims := #{origin := Origin}} = Item, #task{quarantine = Quarantine} = Task, Now, X) ->
    {Account, Asked} = account(Origin, Now, X),
    Line = line(Account, Origin, Asked),
    {Dropped, Waiting} = cambrian_quarantine:in(Origin, Line, Item#{account => Account, line => Line}, weight(Genotype), Quarantine),
    Noted = lists:foldl(fun(#{id := Gone}, Y) -> note(Gone, dropped, #{}, Now, Y) end, Asked, Dropped),
    put_task(Task#task{quarantine = Waiting}, Noted).

%% Anybody can make keys: those that have not earned an account of their own have one together.
account(Origin, Now, X) ->
    case ask({has_earned, Origin}, Now, X) of
        {true, Next} -> {Origin, Next};
        {false, Next} -> {fresh, Next}
    end.

%% Of those that share an account, nodes that say that they are there take turns with all that only sent something: of these
%% there may be any number, and each of them once.
line(fresh, Origin, #exchange{members = Members}) ->
    case cambrian_members:address(Origin, Members) of
        {ok, _} -> {fresh, node};
        none -> {fresh, sender}
    end;
line(Account, _Origin, _X) -> Account.

payer({fresh, _}) -> fresh;
payer(Account) -> Account.

weight(Genotype) ->
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:info(Genotype),
    Nodes + Connections.

offer_more(Now, #exchange{tasks = Tasks} = X) ->
    lists:foldl(fun(Name, Y) -> offer_more(Name, Now, Y) end, X, lists:sort(maps:keys(Tasks))).

offer_more(Name, Now, X) ->
    #task{offered = Offered, quarantine = Quarantine} = Task = task(Name, X),
    case map_size(Offered) < option(budget, X) andalso cambrian_quarantine:out(may_run(Task), Quarantine) of
        {#{id := Id} = Item, Left} ->
            Next = Task#task{quarantine = Left},
            case is_unwanted(Item, Now, X) of
                {true, Y} -> offer_more(Name, Now, put_task(Next, note(Id, banned, #{}, Now, Y)));
                {false, Y} when is_map_key(Id, Offered) -> offer_more(Name, Now, put_task(Next, Y));
                {false, Y} -> offer_more(Name, Now, offer(Item, Next, Now, Y))
            end;
        _ -> X
    end.

%% Of a sender that is banned, or of what a person banned. What a liar bred and another measured and sends is what it is.
is_unwanted(#{claims := #{origin := Origin}} = Item, Now, X) ->
    case ask({is_any_banned, [{key, Origin}]}, Now, X) of
        {true, Y} -> {true, Y};
        {false, Y} -> ask({is_any_banned_by_user, subjects_of(Item)}, Now, Y)
    end.

%% While the populations work, an account has one with them at a time: only then is it known what the last one cost.
may_run(#task{offered = Offered, budget = Budget}) ->
    Busy = case cambrian_budget:is_resting(Budget) of
               true -> [];
               false -> [Account || #{account := Account} <- maps:values(Offered)]
           end,
    fun(Line) -> cambrian_budget:may_run(payer(Line), Budget) andalso not lists:member(payer(Line), Busy) end.

offer(#{id := Id, genotype := Genotype, from := From, account := Account} = Item, #task{name = Name, offered = Offered} = Task, Now, X) ->
    Noted = note(Id, offered, #{task => Name}, Now, X),
    effect({offer, Name, Genotype, From#{id => Id, account => Account}}, put_task(Task#task{offered = Offered#{Id => Item}}, Noted)).

%% @doc A population here has evaluated a generation of its own, or begins or ceases to rest.
-spec worked(task(), #{work := non_neg_integer(), rests := boolean(), failing := boolean()}, Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
worked(Name, #{work := Work, rests := Rests, failing := Failing}, Now, #exchange{tasks = Tasks} = X) ->
    case Tasks of
        #{Name := #task{budget = Budget} = Task} ->
            Earned = cambrian_budget:rests(Rests, cambrian_budget:worked(Work, Budget)),
            done(offer_more(Name, Now, put_task(Task#task{budget = Earned, failing = Failing}, X)));
        _ -> done(X)
    end.

%% @doc What came of an offer. `busy' is nobody's verdict: the genotype may come again. `work' is what it cost, which each
%% population here may say of it.
-spec judged(task(), #{id := cambrian_genotype:id(), outcome := atom(), atom() => term()}, Now :: integer(), exchange()) ->
          {[effect()], exchange()}.
judged(Name, #{id := Id} = Verdict, Now, #exchange{tasks = Tasks} = X) ->
    case Tasks of
        #{Name := #task{offered = #{Id := #{line := Line} = Item} = Offered} = Task} ->
            Next = put_task(charged(Line, Verdict, Task#task{offered = maps:remove(Id, Offered)}), X),
            done(offer_more(Now, judge(Verdict, Item, Name, Now, Next)));
        #{Name := Task} -> done(put_task(charged(maps:get(account, Verdict, none), Verdict, Task), X));
        _ -> done(X)
    end.

%% By what it truly cost, whatever came of it.
charged(Line, #{work := Work}, #task{budget = Budget, quarantine = Quarantine} = Task) when Line =/= none ->
    Task#task{budget = cambrian_budget:charge(payer(Line), Work, Budget),
              quarantine = cambrian_quarantine:charge(Line, Work div ?TURN, Quarantine)};
charged(_Line, _Verdict, Task) -> Task.

judge(#{outcome := busy}, #{id := Id}, _Name, Now, X) -> note(Id, busy, #{}, Now, X);
judge(#{outcome := late} = Verdict, #{id := Id, claims := Claims}, Name, Now, X) -> noted_verdict(Verdict, Id, Claims, Name, Now, X);
judge(#{outcome := too_costly} = Verdict, #{id := Id, claims := Claims}, Name, Now, #exchange{known = Known} = X) ->
    Noted = noted_verdict(Verdict, Id, Claims, Name, Now, X),
    {_, Refused} = ask({refused, too_costly, Claims}, Now, Noted),
    rejected(too_costly, Refused#exchange{known = cambrian_bounded_map:put({Name, Id}, {too_costly, Now + ?TOO_COSTLY_MS}, Known)});
judge(#{outcome := Outcome} = Verdict, #{id := Id, claims := #{origin := Origin} = Claims} = Item, Name, Now,
      #exchange{known = Known} = X) ->
    Measured = maps:get(fitness, Verdict, failed),
    Noted = noted_verdict(Verdict, Id, Claims, Name, Now, X#exchange{known = cambrian_bounded_map:put({Name, Id}, Measured, Known)}),
    case Measured of
        failed when Outcome =:= failed -> failed(Origin, task(Name, Noted), Now, Noted);
        failed -> Noted;
        _ ->
            Told = taken_in(Outcome, Origin, Now, said_of_known(Claims, Measured, Now, Noted)),
            adopt(Item, Measured, Name, Now, event(judged, Verdict#{origin => Origin, task => Name}, Told))
    end.

noted_verdict(Verdict, Id, #{fitness := Claimed} = Claims, Name, Now, X) ->
    Said = maps:with([outcome, fitness, work, cost, median, bound], Verdict),
    note(Id, judged, Said#{task => Name, claimed => Claimed, generation => maps:get(generation, Claims, 0)}, Now, X).

%% What cannot be evaluated here has no fitness, whatever was claimed; but it may be the fault of the task.
failed(_Origin, #task{failing = true}, _Now, X) -> X;
failed(Origin, _Task, Now, X) ->
    {_, Next} = ask({failed, Origin}, Now, X),
    Next.

taken_in(accepted, Origin, Now, X) ->
    {_, Next} = ask({accepted, Origin}, Now, X),
    case ask({has_earned, Origin}, Now, Next) of
        {true, #exchange{members = Members} = Earned} -> Earned#exchange{members = cambrian_members:earned(Origin, Members)};
        {false, Same} -> Same
    end;
taken_in(_Outcome, _Origin, _Now, X) -> X.

%% The best that is known here may be another's from now on. It is ours to tell, as we measured it.
adopt(#{id := Id, genotype := Genotype, from := #{breeder := Breeder} = From, signed := Signed, claims := Claims}, Fitness, Name,
      Now, X) ->
    #task{best = Best, threshold = Threshold} = Task = task(Name, X),
    Held = #held{id = Id, task = Name, genotype = Genotype, breeder = Breeder, signed = Signed,
                 sources = [#{genotype => Id, keys => cambrian_purge:keys(From)}],
                 claims = (maps:with([generation, parents, operators], Claims))#{fitness => Fitness}},
    case beats(Held, Best) of
        true ->
            {Waiting, Next} = let_pass(Now, Task#task{best = Held, pending = still_better(Task#task.pending, Held),
                                                      threshold = cambrian_threshold:told(Fitness, Threshold)}, X),
            put_task(say_again(Now, Waiting, X), hold(Best, Next));
        false -> hold(Held, X)
    end.

still_better(undefined, _) -> undefined;
still_better(Pending, Held) -> case beats(Pending, Held) of true -> Pending; false -> undefined end.

%%% ---- time -------------------------------------------------------------------------------

%% @doc When it wants to be told of the time.
-spec wake(exchange()) -> integer().
wake(#exchange{heartbeat_at = Heartbeat, tell_at = Tell, tasks = Tasks} = X) ->
    lists:min([Heartbeat, Tell | [cambrian_trickle:wake(Trickle) || Trickle <- [X#exchange.charters], Trickle =/= none]
                                     ++ lists:append([wakes(Task) || Task <- maps:values(Tasks)])]).

wakes(#task{trickle = Trickle, migrant_at = Migrant, pending = Pending, free_at = Free, best = Best} = Task) ->
    [cambrian_trickle:wake(Trickle) || Best =/= undefined] ++ [Migrant || Migrant =/= never]
        ++ [Free || Pending =/= undefined, is_due(Task)].

%% Only one that is worth it waits for its time.
is_due(#task{pending = #held{claims = #{urgent := true}}}) -> true;
is_due(#task{pending = #held{claims = #{fitness := Fitness}}, threshold = Threshold}) ->
    cambrian_threshold:is_worth(Fitness, Threshold).

%% @doc Does what is due.
-spec tick(Now :: integer(), exchange()) -> {[effect()], exchange()}.
tick(Now, #exchange{tasks = Tasks} = X) ->
    Spoken = lists:foldl(fun(Name, Y) -> tick_task(task(Name, Y), Now, Y) end, X, lists:sort(maps:keys(Tasks))),
    done(ping(Now, charters_due(Now, successions(Now, heartbeat(Now, Spoken))))).

heartbeat(Now, #exchange{heartbeat_at = At} = X) when At > Now -> X;
heartbeat(Now, #exchange{options = #{realm := Realm, address := Address, identity := Identity}} = Uncounted) ->
    #exchange{members = Members, stamp = Last} = X = look_for_charters(Now, counted(Now, Uncounted)),
    Interval = cambrian_members:interval(Now, Members),
    Stamp = cambrian_members:stamp(time(Now, X), Last),
    Bytes = cambrian_message:heartbeat(Realm, Address, {Stamp, Interval}, Identity),
    %% in the second half of the time that it gives itself: those that began together are to drift apart
    {Share, Rand} = rand:uniform_s(X#exchange.rand),
    effect({publish, Bytes}, X#exchange{heartbeat_at = Now + round(Interval * (1 + Share) / 2), spoke_at = Now, stamp = Stamp, rand = Rand}).

%% Some were away, and delivery is at most once. What all are told holds here as well.
successions(Now, #exchange{tell_at = At} = X) when At > Now -> X;
successions(Now, #exchange{retells = 0, options = #{identity := #{successions := All}}} = X) ->
    tell_all(All, Now, X#exchange{tell_at = Now + ?TELL_MS, fresh = []});
%% What is new is told often at first: a flood of forged certificates may keep most of these from being looked at.
successions(Now, #exchange{retells = Left, fresh = Fresh} = X) ->
    tell_all(Fresh, Now, X#exchange{tell_at = Now + ?RETELL_MS, retells = Left - 1}).

tell_all(Certificates, Now, X) ->
    lists:foldl(fun(Certificate, Y) -> effect({publish, Certificate}, followed_here(Certificate, Now, Y)) end, X, Certificates).

followed_here(Certificate, Now, X) ->
    {ok, #{old := Old}} = cambrian_identity:peek_succession(Certificate),
    case ask({is_heard, Old}, Now, X) of
        {true, Heard} -> element(2, followed(Certificate, Now, Heard));
        {false, Unheard} -> Unheard
    end.

%% Only who chooses by distance needs to know it.
ping(Now, #exchange{options = #{topology := {nearest, _}}, members = Members, calls = Calls, addresses = Addresses} = X)
  when map_size(Calls) < ?MAX_PINGS ->
    Claims = [{cambrian_addresses:claim(Address, Key, Now, Addresses), Address, Key}
              || {Address, Key} <- cambrian_members:unmeasured(Now, Members)],
    case [Claim || {State, _, _} = Claim <- Claims, State =:= proven orelse State =:= unasked] of
        [{proven, Address, Key} | _] ->
            call(#call{kind = ping, address = Address, key = Key, at = Now}, cambrian_message:ping(), X);
        [{unasked, Address, Key} | _] ->
            case take(questions, ?QUESTIONS, Key, Now, X) of
                {true, Next} -> who_lives_at(Address, Key, [], Now, Next);
                {false, Next} -> Next
            end;
        [] -> X
    end;
ping(_Now, X) -> X.

tick_task(Task, Now, X) ->
    {Spoken, Next} = speak(Task, Now, X),
    Due = publish_due(false, Spoken, Now, Next),
    migrate(task(Task#task.name, Due), Now, Due).

speak(#task{best = undefined} = Task, _Now, X) -> {Task, X};
speak(#task{trickle = Trickle, best = Best} = Task, Now, X) ->
    case cambrian_trickle:tick(Now, Trickle) of
        {speak, Next} ->
            announce(Best, Task#task{trickle = Next}, Now, X);
        {quiet, Next} -> {Task#task{trickle = Next}, X}
    end.

announce(_Best, Task, _Now, #exchange{options = #{publish := false}} = X) -> {Task, X};
announce(#held{id = Id} = Best, #task{threshold = Threshold} = Task, Now, X) ->
    case ask({is_banned, {genotype, Id}}, Now, X) of
        {false, Y} ->
            case seal(Best, Now, Y) of
                {ok, #held{claims = #{fitness := Fitness}} = Sealed, Next} ->
                    {Task#task{best = Sealed, threshold = cambrian_threshold:told(Fitness, Threshold)},
                     event(announced, #{genotype => Id, task => Task#task.name, fitness => Fitness}, say(best, Sealed, Next))};
                {error, _} -> {Task, Y}
            end;
        {true, Y} -> {Task, Y}
    end.

migrate(#task{migrant_at = At}, Now, X) when At =:= never; At > Now -> X;
migrate(#task{name = Name} = Task, Now, X) ->
    effect({pick, Name, option(policy, X)}, put_task(Task#task{migrant_at = Now + option(migration_interval, X)}, X)).

%%% ---- asking -----------------------------------------------------------------------------

%% @doc It goes on under another key, with another grant. What was ours is ours.
-spec renamed(cambrian_identity:identity(), Grant :: undefined | binary(), Now :: integer(), exchange()) -> {[effect()], exchange()}.
renamed(#{key := Key, successions := All} = Identity, Grant, Now, #exchange{options = Options, tasks = Tasks, fresh = Untold} = X) ->
    #{identity := #{key := Old, successions := Known}} = Options,
    Fresh = [Certificate || Certificate <- All, lists:member(Certificate, Untold) orelse not lists:member(Certificate, Known)],
    Mine = fun(_, #task{best = #held{breeder = Breeder} = Best} = Task) when Breeder =:= Old ->
                   Task#task{best = Best#held{breeder = Key, envelope = undefined}};
              (_, Task) -> Task
           end,
    tick(Now, X#exchange{options = Options#{identity := Identity, grant := Grant}, tasks = maps:map(Mine, Tasks),
                         members = cambrian_members:renamed(Key, X#exchange.members), heartbeat_at = Now, tell_at = Now,
                         fresh = Fresh, retells = ?RETELLS}).

%% @doc The best of each task, by what was measured here.
-spec best(exchange()) -> #{task() => best()}.
best(#exchange{tasks = Tasks}) ->
    maps:from_list([{Name, #{genotype => Genotype, fitness => Fitness, origin => Breeder}}
                    || {Name, #task{best = #held{genotype = Genotype, claims = #{fitness := Fitness}, breeder = Breeder}}}
                           <- maps:to_list(Tasks)]).

%% @doc Who is there; when they were heard of last is in ms since 1970.
-spec members(Now :: integer(), exchange()) -> #{cambrian_identity:key() => cambrian_members:member()}.
members(Now, #exchange{members = Members} = X) ->
    maps:map(fun(_, #{seen := Seen} = Member) -> Member#{seen := time(Seen, X)} end, cambrian_members:alive(Now, Members)).

-spec story(cambrian_genotype:id(), exchange()) -> [cambrian_journal:step()].
story(Id, #exchange{journal = Journal}) -> cambrian_journal:story(Id, Journal).

-spec stories(exchange()) -> [{cambrian_genotype:id(), [cambrian_journal:step()]}].
stories(#exchange{journal = Journal}) -> cambrian_journal:stories(Journal).
