%% @private
%% The fault of an evaluation: cut to a small size before it is sent anywhere, described in words,
%% and recognised when it comes again.
-module(cambrian_fault).

-export([crashed/3, crashed/1, bad_fitness/1, bad_score/3, counted/1, text/1, text/2,
         expected_return/2, kind/1, is_missing_code/1]).
-export([printable/1, is_small/2, is_length/1]).
-export_type([fault/0]).

-type fault() :: timeout | memory | {bad_fitness, term()}
               | {bad_score, {Key :: term(), Got :: term(), Expected :: binary()}}
               | {crashed, {error | exit | throw, Reason :: term(), Stack :: list()}
                           | Reason :: term()}.
%% `memory' may also mean that another process killed the evaluation: the VM gives the same reason
%% for both. A text replaces a large term. A stack holds only its top frames.

%% The size of a term, in words (approximate); the characters of a text that replaces a larger term.
-define(MAX_WORDS, 256).
-define(MAX_TEXT, 400).
%% The size of a term, in words, that is printed without a cut.
-define(MAX_PRINTED, 4096).
-define(MAX_DEPTH, 5).
-define(MAX_WIDTH, 8).
-define(MAX_FRAMES, 8).
%% Limits of a text: its characters, and the words of heap and the ms that it may take.
-define(MAX_LINES, 4000).
-define(MAX_HEAP, 4_000_000).
-define(MAX_MS, 2000).

%% @doc The fault of an evaluation that gave no fitness.
-spec bad_fitness(term()) -> fault().
bad_fitness(Term) -> {bad_fitness, bounded(Term)}.

%% @doc The fault of an evaluation whose score has a wrong part other than the fitness.
-spec bad_score(Key :: term(), Got :: term(), Expected :: binary()) -> fault().
bad_score(Key, Got, Expected) -> {bad_score, {bounded(Key), bounded(Got), Expected}}.

%% @doc How many evaluations failed, with the first fault.
-spec counted([{Index :: pos_integer(), fault()}]) ->
          #{count := non_neg_integer(), first := fault() | none}.
counted([]) -> #{count => 0, first => none};
counted([{_, First} | _] = Faults) -> #{count => length(Faults), first => First}.

%% @doc The fault of a process that ended.
-spec crashed(term()) -> fault().
crashed(Reason) -> {crashed, bounded(Reason)}.

%% @doc The fault of an exception.
-spec crashed(error | exit | throw, term(), list()) -> fault().
crashed(Class, Reason, Stack) ->
    Top = lists:sublist(Stack, ?MAX_FRAMES),
    {crashed, {Class, bounded(Reason), lists:map(fun frame/1, Top)}}.

%% The frame of a call that fits no clause holds the arguments. `erlang:raise/3' may put anything
%% into a frame.
frame({Module, Function, Arguments, Where}) when is_atom(Module), is_atom(Function) ->
    {Module, Function, arguments(Arguments), where(Where)};
frame({Fun, Arguments, Where}) when is_function(Fun) ->
    case words(Fun, ?MAX_WORDS) of
        none -> {cambrian_fault, large_fun, arguments(Arguments), where(Where)};
        _ -> {Fun, arguments(Arguments), where(Where)}
    end;
frame(_Other) -> {cambrian_fault, no_frame, 0, []}.

arguments(Arity) when is_integer(Arity), Arity >= 0, Arity < 256 -> Arity;
arguments(Arguments) when length(Arguments) < 256 ->
    case words(Arguments, ?MAX_WORDS) of
        none -> length(Arguments);
        _ -> Arguments
    end;
arguments(_) -> 0.

where(Where) when length(Where) =< 3 ->
    case words(Where, ?MAX_WORDS) of
        none -> [];
        _ -> [Fact || {Key, Value} = Fact <- Where, is_fact(Key, Value)]
    end;
where(_) -> [].

is_fact(file, Name) -> io_lib:printable_unicode_list(Name);
is_fact(line, Line) -> is_integer(Line);
is_fact(error_info, Info) -> is_map(Info);
is_fact(_, _) -> false.

bounded(Term) ->
    case words(Term, ?MAX_WORDS) of
        none -> brief(Term);
        _ -> Term
    end.

brief(Term) ->
    Cut = cut(Term, ?MAX_DEPTH),
    Text = lists:flatten(io_lib:format("~0tP", [Cut, 30], [{chars_limit, ?MAX_TEXT}])),
    unicode:characters_to_binary(lists:sublist(Text, ?MAX_TEXT)).

%% Cuts a term before it is printed: printing takes exponential time in the depth of a term, and
%% quadratic time in the digits of an integer.
cut(_, 0) -> '...';
cut([Head | Tail], Depth) -> cut_list([Head | Tail], ?MAX_WIDTH, Depth - 1);
cut(Tuple, Depth) when is_tuple(Tuple) ->
    Width = min(?MAX_WIDTH, tuple_size(Tuple)),
    list_to_tuple([cut(element(I, Tuple), Depth - 1) || I <- lists:seq(1, Width)]
                  ++ ['...' || tuple_size(Tuple) > ?MAX_WIDTH]);
cut(Map, Depth) when is_map(Map) ->
    maps:from_list(cut_map(maps:next(maps:iterator(Map)), ?MAX_WIDTH, Depth - 1));
cut(Bits, _) when bit_size(Bits) > 8 * ?MAX_TEXT ->
    <<Start:?MAX_TEXT/binary, _/bitstring>> = Bits,
    Start;
cut(Integer, _) when is_integer(Integer), abs(Integer) >= 1 bsl 1024 -> large_integer;
cut(Term, _) -> Term.

%% @doc Cuts a large term, and large integers in it, so that printing takes little time.
-spec printable(term()) -> term().
printable(Term) ->
    case words(Term, ?MAX_PRINTED) of
        none -> cut(Term, ?MAX_DEPTH);
        _ -> without_large_integers(Term)
    end.

without_large_integers([Head | Tail]) ->
    [without_large_integers(Head) | without_large_integers(Tail)];
without_large_integers(Tuple) when is_tuple(Tuple) ->
    list_to_tuple(without_large_integers(tuple_to_list(Tuple)));
without_large_integers(Map) when is_map(Map) ->
    maps:from_list(without_large_integers(maps:to_list(Map)));
without_large_integers(Term) -> cut(Term, 1).

%% @doc Whether a term has at most about so many words. Takes little time for any term.
-spec is_small(term(), Words :: pos_integer()) -> boolean().
is_small(Term, Words) -> words(Term, Words) =/= none.

cut_list([Head | Tail], Width, Depth) when Width > 0 ->
    [cut(Head, Depth) | cut_list(Tail, Width - 1, Depth)];
cut_list([], _, _) -> [];
cut_list(_, _, _) -> ['...'].

cut_map({Key, Value, Next}, Width, Depth) when Width > 0 ->
    [{cut(Key, Depth), cut(Value, Depth)} | cut_map(maps:next(Next), Width - 1, Depth)];
cut_map(_, _, _) -> [].

%% Subtracts the words of a term from a budget; `none' if the budget is too small. It visits no more
%% words than the budget, so the time is bounded for a term of any size, with any sharing.
words(_Term, Budget) when Budget =< 0 -> none;
words([Head | Tail], Budget) ->
    case words(Head, Budget - 2) of
        none -> none;
        Left -> words(Tail, Left)
    end;
words(Tuple, Budget) when is_tuple(Tuple), tuple_size(Tuple) < Budget ->
    words(tuple_to_list(Tuple), Budget);
words(Map, Budget) when is_map(Map), map_size(Map) < Budget ->
    words(maps:to_list(Map), Budget);
words(Bits, Budget) when is_bitstring(Bits) -> left(Budget - 3 - byte_size(Bits) div 8);
words(Fun, Budget) when is_function(Fun) ->
    {env, Environment} = erlang:fun_info(Fun, env),
    words(Environment, Budget - 4);
words(Integer, Budget) when is_integer(Integer), abs(Integer) >= 1 bsl 64 ->
    left(Budget - byte_size(binary:encode_unsigned(abs(Integer))) div 8);
words(Large, _Budget) when is_tuple(Large); is_map(Large) -> none;
words(_, Budget) -> left(Budget - 2).

left(Budget) when Budget > 0 -> Budget;
left(_) -> none.

%% @doc The same as {@link text/2} with terms as Erlang writes them.
-spec text(fault()) -> unicode:chardata().
text(Fault) -> text(Fault, erlang).

%% @doc Describes a fault, with terms as that language writes them. Shows an exception, with its
%% stack, as the language of the exception does. This calls code of the user, such as `message/1' of
%% an exception in Elixir, so it runs in a separate process, within limits of time and memory.
-spec text(fault(), erlang | elixir) -> unicode:chardata().
text(Fault, Face) ->
    {Self, Tag} = {self(), make_ref()},
    Limit = {max_heap_size, #{size => ?MAX_HEAP, kill => true, error_logger => false}},
    {Pid, Monitor} = spawn_opt(fun() -> Self ! {Tag, in_words(Fault, Face)} end, [monitor, Limit]),
    receive {'DOWN', Monitor, process, Pid, _} -> ok
    after ?MAX_MS ->
        exit(Pid, kill),
        receive {'DOWN', Monitor, process, Pid, _} -> ok end
    end,
    %% the text, if there is one, came before the `DOWN' message
    receive {Tag, Text} when is_binary(Text) -> Text;
            {Tag, none} -> brief(Fault)
    after 0 -> brief(Fault)
    end.

in_words(Fault, Face) ->
    try unicode:characters_to_list(words_of(Fault, Face)) of
        Text when is_list(Text) -> unicode:characters_to_binary(lists:sublist(Text, ?MAX_LINES));
        _ -> none
    catch _:_ -> none
    end.

words_of(timeout, _) -> "it took longer than evaluation_timeout";
words_of(memory, _) -> "it took more memory than evaluation_memory, or was killed";
words_of({bad_fitness, Term}, Face) when is_map(Term) ->
    ["it gave ", shown(Term, Face), ", expected a finite number, or a map with fitness or "
     "objectives"];
words_of({bad_fitness, Term}, Face) ->
    ["it gave ", shown(Term, Face), ", expected a finite number"];
words_of({bad_score, {Key, Got, Expected} = Fault}, Face) ->
    Given = case is_length(Fault) of
                true -> cambrian_text:counted(Got, "number");
                false -> shown(Got, Face)
            end,
    ["it gave ", Given, " as ", shown(Key, Face), ", expected ", Expected];
words_of({crashed, {Class, Reason, [_ | _] = Stack}}, _)
  when Class =:= error; Class =:= exit; Class =:= throw ->
    exception(Class, Reason, Stack);
words_of({crashed, {bad_return, {M, F, A}, Value}}, _) ->
    case is_elixirs({M}) andalso code:ensure_loaded('Elixir.Exception') of
        {module, Exception} ->
            [Exception:format_mfa(M, F, A), " returned ", shown(Value, elixir),
             expected_return({M, F, A}, elixir)];
        _ ->
            [io_lib:format("~tp:~tp/~b returned ~0tp", [M, F, A, Value]),
             expected_return({M, F, A}, erlang)]
    end;
words_of({crashed, {bad_observation, {wrong_size, inputs, Expected, Got}}}, _) ->
    io_lib:format("an observation had ~b numbers, expected ~b", [Got, Expected]);
words_of({crashed, {bad_observation, {no_numbers, Observation}}}, Face) ->
    ["an observation was ", shown(Observation, Face), ", expected a list of numbers or a binary of "
     "32-bit floats"];
words_of({crashed, {bad_observation, {out_of_range, inputs}}}, _) ->
    "an observation had a number out of range, expected numbers within plus and minus 1.0e12";
words_of({crashed, {bad_reward, Reward}}, Face) ->
    ["a reward was ", shown(Reward, Face), ", expected a number within plus and minus 1.0e12"];
words_of({crashed, Reason}, Face) ->
    case cambrian_program_fault:did(Reason, evaluation) of
        none -> ["its process ended: ", shown(Reason, Face)];
        Did -> ["the program ", Did]
    end.

shown(Term, erlang) -> io_lib:format("~0tp", [printable(Term)]);
shown(Term, elixir) ->
    Kernel = 'Elixir.Kernel',
    Kernel:inspect(printable(Term)).

%% @doc Whether a score's fault names the length of a list, which is too long or unlike others.
-spec is_length({Key :: term(), Got :: term(), Expected :: binary()}) -> boolean().
is_length({Key, Got, Expected}) ->
    is_integer(Got) andalso lists:member(Key, [behaviour, objectives, cases])
        andalso Expected =/= <<"a list of finite numbers">>.

%% @doc Describes what a callback of a task must return; empty for any other function.
-spec expected_return(mfa() | term(), erlang | elixir) -> iodata().
expected_return({_, init, 1}, erlang) ->
    ", expected {ok, #{inputs => Inputs, outputs => Outputs}, State} with integers from 1 to 10000";
expected_return({_, init, 1}, elixir) ->
    ", expected {:ok, %{inputs: inputs, outputs: outputs}, state} with integers from 1 to 10000";
expected_return({_, reset, 2}, erlang) -> ", expected {Observation, State}";
expected_return({_, reset, 2}, elixir) -> ", expected {observation, state}";
expected_return({_, step, 2}, erlang) ->
    ", expected {Observation, Reward, State}, {done, Reward} or {done, Reward, State}, with a "
    "number as Reward";
expected_return({_, step, 2}, elixir) ->
    ", expected {observation, reward, state}, {:done, reward} or {:done, reward, state}, with a "
    "number as reward";
expected_return({_, score, 1}, erlang) ->
    ", expected a map with behaviour, objectives or cases";
expected_return({_, score, 1}, elixir) ->
    ", expected a map with :behaviour, :objectives or :cases";
expected_return(_, _) -> "".

exception(Class, Reason, Stack) ->
    case is_elixirs(Reason, Stack) andalso code:ensure_loaded('Elixir.Exception') of
        {module, Exception} -> Exception:format(Class, Reason, Stack);
        _ -> erl_error:format_exception(Class, Reason, Stack)
    end.

is_elixirs(Reason, Stack) ->
    is_map(Reason) andalso is_map_key('__exception__', Reason)
        orelse lists:any(fun is_elixirs/1, Stack).

is_elixirs(Frame) when is_tuple(Frame), is_atom(element(1, Frame)) ->
    Module = atom_to_list(element(1, Frame)),
    lists:prefix("Elixir.", Module) orelse lists:prefix("elixir", Module);
is_elixirs(_) -> false.

%% @doc The kind of a fault, without the values that differ from evaluation to evaluation. Two
%% faults of one kind need only one line in a log.
-spec kind(fault()) -> term().
kind({bad_fitness, Term}) -> {bad_fitness, shape(Term)};
kind({bad_score, {Key, Got, _Expected}}) -> {bad_score, shape(Key), shape(Got)};
kind({crashed, {Class, Reason, [Top | _]}}) -> {crashed, shape(Class), shape(Reason), place(Top)};
kind({crashed, {Class, Reason, []}}) -> {crashed, shape(Class), shape(Reason)};
kind({crashed, Reason}) -> {crashed, shape(Reason)};
kind(Simple) -> Simple.

%% The exit reason of a process may look like a stack frame without being one.
place({Module, Function, Arguments, Where}) when length(Arguments) >= 0 ->
    place({Module, Function, length(Arguments), Where});
place({Module, Function, Arity, [{file, _}, {line, Line} | _]})
  when is_atom(Module), is_atom(Function), is_integer(Arity) ->
    {Module, Function, Arity, Line};
place({Module, Function, Arity, _})
  when is_atom(Module), is_atom(Function), is_integer(Arity) ->
    {Module, Function, Arity};
place(_) -> elsewhere.

shape(Atom) when is_atom(Atom) -> Atom;
shape(Tuple) when is_tuple(Tuple), tuple_size(Tuple) > 0, is_atom(element(1, Tuple)) ->
    {element(1, Tuple), tuple_size(Tuple)};
shape(Tuple) when is_tuple(Tuple) -> tuple;
shape(List) when is_list(List) -> list;
shape(Map) when is_map(Map) -> map;
shape(Bits) when is_bitstring(Bits) -> binary;
shape(Number) when is_number(Number) -> number;
shape(_) -> other.

%% @doc Whether the evaluation called a missing function. Another node may lack the code.
-spec is_missing_code(fault()) -> boolean().
is_missing_code({crashed, {error, undef, _}}) -> true;
is_missing_code({crashed, {error, {badfun, _}, _}}) -> true;
is_missing_code({crashed, {undef, _}}) -> true;
is_missing_code({crashed, {{badfun, _}, _}}) -> true;
is_missing_code(_) -> false.
