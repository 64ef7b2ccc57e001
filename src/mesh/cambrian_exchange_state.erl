%% @private
%% What every part of an exchange uses: its options and its clock, its effects and its journal, its
%% questions of trust, its tasks and its pace.
-module(cambrian_exchange_state).

-export([option/2, origin/1, time/2, once/3, random/1]).
-export([effect/2, event/3, take_effects/1, note/5]).
-export([ask/3, refused/3, rejected/2]).
-export([task/2, put_task/2, task_names/1, is_present/2, is_of_interest/2]).
-export([count_nodes/2, first_interval/1, repeat_soon/3]).
-export_type([task/0, claims/0, champion/0, knowledge/0, verdict/0, ask/0, effect/0]).

-include("cambrian_exchange.hrl").

-type task() :: binary().
-type claims() :: #{fitness := float(), generation := non_neg_integer(),
                    parents := [cambrian_genotype:id()], operators := [atom() | binary()],
                    atom() => term()}.
%% Beside the genotype, what is claimed of it. The last champion of a run is `final': it is
%% published if it is better at all. `signed' is what its breeder signed, if that is another node.
-type champion() :: #{champion := cambrian_genotype:genotype(), atom() => term()}.
%% What a node knows of a genotype: the fitness that was measured here, or why there is none. The
%% measurement failed, the genotype was too costly (and may be tried again from `Until' on), no
%% population was here, or this is no id but the hash of other bytes of the genotype.
-type knowledge() :: Measured :: float() | failed | {too_costly, Until :: integer()} | heard
                   | {same_as, cambrian_genotype:id()}.
%% What came of the measurement of a genotype that was offered; `work' is what it cost.
-type verdict() :: #{id := cambrian_genotype:id(), outcome := atom(), atom() => term()}.
-type ask() :: fun((cambrian_realm:request(), Now :: integer(), Trust :: term()) ->
                       {Answer :: term(), Trust :: term()}).
-type effect() :: {publish, binary()} | {send, binary()}
                | {ask, Ref :: pos_integer(), Address :: binary(), binary()}
                | {fetch, Ref :: pos_integer(), cambrian_transport:content()}
                | {offer, task(), cambrian_genotype:genotype(), From :: map()}
                | {pick, task(), cambrian_population:migration()} | {archive, task()}
                | {lineage, cambrian_genotype:id(), Record :: binary()}
                | {event, atom(), map()}.

%% Among more nodes than this, they are counted at most once a second.
-define(MANY, 200).

-spec option(atom(), #exchange{}) -> term().
option(Name, #exchange{options = Options}) -> maps:get(Name, Options).

%% @doc The key that other nodes know this one by.
-spec origin(#exchange{}) -> cambrian_identity:key().
origin(#exchange{options = #{identity := #{key := Key}}}) -> Key.

%% @doc `Now' in ms since 1970.
-spec time(Now :: integer(), #exchange{}) -> integer().
time(Now, #exchange{clock = Clock}) -> Now + Clock.

%% @doc What the fun gives: costly, and a function of the key alone.
-spec once(Key :: term(), fun(() -> Result), #exchange{}) -> Result.
once(Key, Fun, X) -> (option(once, X))(Key, Fun).

%% @doc A stream of random numbers that overlaps with no other.
-spec random(#exchange{}) -> {rand:state(), #exchange{}}.
random(#exchange{rand = Rand} = X) ->
    Next = rand:jump(Rand),
    {Rand, X#exchange{rand = Next}}.

%%% ---- effects ----------------------------------------------------------------------------

-spec effect(effect(), #exchange{}) -> #exchange{}.
effect(Effect, #exchange{effects = Effects} = X) -> X#exchange{effects = [Effect | Effects]}.

-spec event(Name :: atom(), Facts :: map(), #exchange{}) -> #exchange{}.
event(Name, Facts, X) -> effect({event, Name, Facts}, X).

%% @doc The effects of the event at hand, in the order in which they are to be carried out.
-spec take_effects(#exchange{}) -> {[effect()], #exchange{}}.
take_effects(#exchange{effects = Effects} = X) ->
    {lists:reverse(Effects), X#exchange{effects = []}}.

%% @doc Adds a step to the story of a genotype.
-spec note(cambrian_genotype:id(), Step :: atom(), Details :: map(), Now :: integer(),
           #exchange{}) -> #exchange{}.
note(Id, Step, Details, Now, #exchange{journal = Journal} = X) ->
    X#exchange{journal = cambrian_journal:note(Id, Step, Details, time(Now, X), Journal)}.

%%% ---- trust ------------------------------------------------------------------------------

-spec ask(cambrian_realm:request(), Now :: integer(), #exchange{}) ->
          {Answer :: term(), #exchange{}}.
ask(Request, Now, #exchange{ask = Ask, trust = Trust} = X) ->
    {Answer, Next} = Ask(Request, time(Now, X), Trust),
    {Answer, X#exchange{trust = Next}}.

%% @doc Counts a message that no admission read.
-spec refused(Reason :: term(), Now :: integer(), #exchange{}) -> #exchange{}.
refused(Reason, Now, X) ->
    {_, Next} = ask({refused, Reason, #{}}, Now, X),
    rejected(Reason, Next).

-spec rejected(Reason :: term(), #exchange{}) -> #exchange{}.
rejected(Reason, X) -> event(rejected, #{reason => cambrian_realm:kind(Reason)}, X).

%%% ---- tasks ------------------------------------------------------------------------------

-spec task(task(), #exchange{}) -> #task{}.
task(Name, #exchange{tasks = Tasks}) -> maps:get(Name, Tasks).

-spec put_task(#task{}, #exchange{}) -> #exchange{}.
put_task(#task{name = Name} = Task, #exchange{tasks = Tasks} = X) ->
    X#exchange{tasks = Tasks#{Name => Task}}.

-spec task_names(#exchange{}) -> [task()].
task_names(#exchange{tasks = Tasks}) -> lists:sort(maps:keys(Tasks)).

%% @doc Whether a population of this task is here.
-spec is_present(task(), #exchange{}) -> boolean().
is_present(Name, #exchange{tasks = Tasks}) ->
    case Tasks of
        #{Name := #task{present = Present}} -> Present;
        _ -> false
    end.

%% @doc Whether a population or a subscriber here wants genotypes of this task.
-spec is_of_interest(task(), #exchange{}) -> boolean().
is_of_interest(Name, #exchange{wanted = Wanted} = X) ->
    is_present(Name, X) orelse lists:member(all, Wanted) orelse lists:member(Name, Wanted).

%%% ---- pace -------------------------------------------------------------------------------

%% @doc Counts the nodes that are alive, and those of them that set this node's pace.
-spec count_nodes(Now :: integer(), #exchange{}) -> #exchange{}.
count_nodes(Now, #exchange{alive = Alive, counted_at = At} = X)
  when Alive > ?MANY, Now - At < 1000 -> X;
count_nodes(Now, #exchange{members = Members} = X) ->
    X#exchange{alive = map_size(cambrian_members:alive(Now, Members)) + 1,
               nodes = cambrian_members:pace(Now, Members), counted_at = Now}.

%% @doc The shortest interval of Trickle: long enough for each node to speak in its turn.
-spec first_interval(#exchange{}) -> pos_integer().
first_interval(#exchange{nodes = Nodes}) ->
    #{shortest := Shortest} = ?TRICKLE,
    max(Shortest, 2 * Nodes * ?PACE_MS).

%% @doc Has the best of a task announced again soon.
-spec repeat_soon(Now :: integer(), #task{}, #exchange{}) -> #task{}.
repeat_soon(Now, #task{trickle = Trickle} = Task, X) ->
    Task#task{trickle = cambrian_trickle:reset(first_interval(X), Now, Trickle)}.
