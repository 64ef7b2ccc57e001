%% @private Reads the answers of a program, as docs/programs.md describes them, for a world of
%% {@link cambrian_environment}. A wrong answer breaks the program: it throws `{broken, Fault}'.
-module(cambrian_program_answer).

-export([starts/3, outcomes/3, scores/3]).
-export_type([counts/0]).

-type slot() :: non_neg_integer().
-type answer() :: #{binary() => term()}.
-type counts() :: #{behaviour | objectives | cases => pos_integer()}.
%% How many numbers of each kind a program gives for an episode.
-type fault() :: {fault, {program_failed, binary()}}.

%% @doc The first observation and the state of each slot, which is the slot itself.
-spec starts([slot()], Inputs :: pos_integer(), answer()) -> [{binary(), slot()} | fault()].
starts(Slots, Inputs, Answer) ->
    Rows = rows(<<"observations">>, 4 * Inputs, length(Slots), Answer),
    each(Slots, Answer, lists:zip(Rows, Slots)).

%% @doc What a step gave in each slot.
-spec outcomes([slot()], Inputs :: pos_integer(), answer()) ->
          [{binary() | done, number(), slot()} | {fault, term()}].
outcomes(Slots, Inputs, Answer) ->
    Count = length(Slots),
    Observations = rows(<<"observations">>, 4 * Inputs, Count, Answer),
    Rewards = rows(<<"rewards">>, 8, Count, Answer),
    Dones = rows(<<"done">>, 1, Count, Answer),
    each(Slots, Answer, outcomes(Slots, Observations, Rewards, Dones)).

outcomes([Slot | Slots], [Observation | Observations], [Reward | Rewards], [Done | Dones]) ->
    [case {numbers(Reward), Done} of
         {[Number], _} when is_atom(Number) -> {fault, {bad_reward, Number}};
         {[Number], <<0>>} -> {Observation, Number, Slot};
         {[Number], _} -> {done, Number, Slot}
     end | outcomes(Slots, Observations, Rewards, Dones)];
outcomes([], [], [], []) -> [].

%% @doc What the last episode of each slot gave besides its rewards.
-spec scores([slot()], counts(), answer()) -> [#{atom() => [number() | atom()]} | fault()].
scores(Slots, Counts, Answer) ->
    Columns = [[{Kind, numbers(Row)} || Row <- rows(atom_to_binary(Kind), 8 * Length, length(Slots),
                                                    Answer)]
               || {Kind, Length} <- lists:sort(maps:to_list(Counts))],
    each(Slots, Answer, [maps:from_list(Scores) || Scores <- transposed(Slots, Columns)]).

transposed([], _Columns) -> [];
transposed([_ | Slots], Columns) ->
    [[hd(Column) || Column <- Columns] | transposed(Slots, [tl(Column) || Column <- Columns])].

%% A float pattern does not match the bytes of an infinity or a NaN.
numbers(<<Number:64/float-little, Rest/binary>>) -> [Number | numbers(Rest)];
numbers(<<0:48, 16#F0, 16#7F, Rest/binary>>) -> [infinity | numbers(Rest)];
numbers(<<0:48, 16#F0, 16#FF, Rest/binary>>) -> ['-infinity' | numbers(Rest)];
numbers(<<_:8/binary, Rest/binary>>) -> [nan | numbers(Rest)];
numbers(<<>>) -> [].

%% The value of each slot, or the fault that the answer names for it.
each(Slots, Answer, Values) ->
    Faults = case Answer of
                 #{<<"faults">> := #{} = Map} -> Map;
                 _ -> #{}
             end,
    [fault_or(Slot, Faults, Value) || {Slot, Value} <- lists:zip(Slots, Values)].

fault_or(Slot, Faults, Value) ->
    case Faults of
        #{Slot := Message} when is_binary(Message) ->
            Start = binary:part(Message, 0, min(1000, byte_size(Message))),
            {fault, {program_failed, binary:copy(Start)}};
        #{Slot := _} -> {fault, {program_failed, <<"no message">>}};
        _ -> Value
    end.

%% The bytes of a key, cut into one row for each slot.
rows(Key, Size, Count, Answer) ->
    case Answer of
        #{Key := Bytes} when byte_size(Bytes) =:= Size * Count ->
            [Row || <<Row:Size/binary>> <= Bytes];
        #{Key := Bytes} when is_binary(Bytes) ->
            throw({broken, {bad_answer, {wrong_size, Key, Size * Count, byte_size(Bytes)}}});
        _ -> throw({broken, {bad_answer, {no_bytes, Key}}})
    end.
