%% @private
%% What `ra' replicates for {@link cambrian_log_ra}: the last records, and the epoch, which is the
%% term of Raft with its leader. It is a machine of ra (`ra_machine') without naming that behaviour,
%% as ra may be absent. Each replica tells the log on its own node what it applied.
-module(cambrian_log_machine).

-export([init/1, apply/3, state_enter/2, records/1]).
-export_type([state/0]).

%% So many records are held, for owners with an older checkpoint.
-define(WINDOW, 64).
%% `ra' writes a snapshot after so many records.
-define(SNAPSHOT, 32).

-type state() :: #{log := atom(), records := [cambrian_record:record()],
                   epoch := none | cambrian_record:epoch()}.
-type command() :: {found, binary()} | {timeout, {coordinate, cambrian_record:member()}}
                 | {propose, cambrian_record:epoch(), non_neg_integer(), binary(),
                    cambrian_record:member()} | term().

-spec init(map()) -> state().
init(#{log := Log}) -> #{log => Log, records => [], epoch => none}.

-spec apply(#{term := non_neg_integer(), index := non_neg_integer(), atom() => term()},
            command(), state()) -> {state(), ok, list()}.
apply(_, {found, Body}, #{records := [], epoch := Epoch} = State) ->
    Founded = committed(cambrian_record:first([], Body), State),
    _ = [tell({coordinator, Epoch}, State) || Epoch =/= none],
    {Founded, ok, []};
apply(#{term := Term}, {timeout, {coordinate, Member}}, #{records := Records} = State) ->
    Epoch = {Term, Member},
    %% without a first record nobody can propose
    _ = [tell({coordinator, Epoch}, State) || Records =/= []],
    {State#{epoch := Epoch}, ok, []};
apply(#{index := Index}, {propose, Epoch, Number, Body, From}, State) ->
    case State of
        #{epoch := Epoch, records := [#{number := Last} = Before | _]} when Number =:= Last + 1 ->
            Next = committed(cambrian_record:next(Epoch, [], Body, Before), State),
            {Next, ok, [{release_cursor, Index, Next} || Number rem ?SNAPSHOT =:= 0]};
        #{epoch := Epoch, records := [#{number := Last} | _]} ->
            tell({rejected, From, Number, {next, Last + 1}}, State),
            {State, ok, []};
        _ ->
            tell({rejected, From, Number, not_coordinator}, State),
            {State, ok, []}
    end;
%% what ra itself brings, as the end of a process
apply(_, _, State) -> {State, ok, []}.

committed(Record, #{records := Records} = State) ->
    tell({committed, Record}, State),
    State#{records := lists:sublist([Record | Records], ?WINDOW)}.

%% @doc The records that are held, the last first.
-spec records(state()) -> [cambrian_record:record()].
records(#{records := Records}) -> Records.

%% A leader says in its own term that it leads, so every replica learns it in the order of the log.
%% Of what a leader may ask for here, only a timer becomes a command of that very leader.
-spec state_enter(atom(), state()) -> list().
state_enter(leader, _) -> [{timer, {coordinate, atom_to_binary(node())}, 0}];
state_enter(Raft, State) when Raft =:= candidate; Raft =:= pre_vote ->
    tell({coordinator, none}, State),
    [];
state_enter(_, _) -> [].

tell(Event, #{log := Log}) ->
    _ = [Pid ! {?MODULE, Event} || Pid <- [whereis(Log)], is_pid(Pid)],
    ok.
