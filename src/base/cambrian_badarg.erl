%% @private
%% Describes which argument of a call is wrong: a term that is not a network, a genotype, a
%% substrate, an archive or a secret, although the function needs one. The exception stays `badarg'.
%% The shell and the logger call {@link format_error/2} for the text (EEP 54).
-module(cambrian_badarg).

-export([raise/1, raise/4, check/3, format_error/2]).

%% How many characters of an argument are shown.
-define(MAX_TEXT, 60).

%% @doc Raises a `badarg' of the library again, as a `badarg' of the function that called the
%% library.
-spec raise([tuple()]) -> no_return().
raise([{cambrian_nif, _, Arguments, _}, {Module, Function, Arity, Where} | Stack])
  when length(Arguments) =:= Arity ->
    Explained = [{error_info, #{module => ?MODULE}} | Where],
    erlang:raise(error, badarg, [{Module, Function, Arguments, Explained} | Stack]);
raise(Stack) -> erlang:raise(error, badarg, Stack).

%% @doc Raises a `badarg' of a function if one of its arguments is wrong. Takes, for each argument,
%% whether it is right and what it must be. The exception holds no arguments, because one of them is
%% a secret.
-spec check(module(), atom(), [{boolean(), Expected :: binary()}]) -> ok.
check(Module, Function, Arguments) ->
    case [{At, <<"has to be ", Expected/binary>>}
          || {At, {false, Expected}} <- lists:enumerate(Arguments)] of
        [] -> ok;
        Wrong -> raise(Module, Function, length(Arguments), maps:from_list(Wrong))
    end.

%% @doc Raises a `badarg' of a function, with a text for each wrong argument. The exception holds no
%% arguments.
-spec raise(module(), atom(), arity(), #{pos_integer() => unicode:chardata()}) -> no_return().
raise(Module, Function, Arity, Wrong) ->
    {current_stacktrace, Stack} = process_info(self(), current_stacktrace),
    IsOf = fun({M, F, A, _}) -> {M, F, A} =:= {Module, Function, Arity} end,
    Callers = case lists:dropwhile(fun(Frame) -> not IsOf(Frame) end, Stack) of
                  [_ | Above] -> Above;
                  %% a tail call removed the frame of the function
                  [] -> lists:dropwhile(fun({M, _, _, _}) -> M =:= ?MODULE end, Stack)
              end,
    Explained = [{error_info, #{module => ?MODULE, cause => Wrong}}],
    erlang:raise(error, badarg, [{Module, Function, Arity, Explained} | Callers]).

%% @doc Describes an exception: the shell and the logger call this. If the exception holds no
%% arguments, its `cause' is a map with a text for each wrong argument, or the reason for the
%% first argument.
-spec format_error(badarg, [tuple()]) -> #{pos_integer() | general => unicode:chardata()}.
format_error(badarg, [{_, _, Arity, Where} | _]) when is_integer(Arity) ->
    case proplists:get_value(error_info, Where) of
        #{cause := Wrong} when is_map(Wrong) -> Wrong;
        #{cause := Cause} -> #{1 => cambrian_error:format_error(Cause)}
    end;
format_error(badarg, [{Module, Function, Arguments, _} | _]) ->
    Expected = lists:enumerate(expected(Module, Function)),
    case [{At, why(Kind, Argument)} || {At, Kind} <- Expected,
                                       Argument <- [lists:nth(At, Arguments)],
                                       not is(Kind, Argument)] of
        [] when Module =:= cambrian_network ->
            #{general => <<"numbers must be a list of numbers or a binary of 32-bit floats, and "
                           "a state must be the result of a step">>};
        [] -> #{general => <<"an argument is of another type than the function takes">>};
        Wrong -> maps:from_list(Wrong)
    end.

%% The kinds of the first arguments of a function.
expected(cambrian_network, compile) -> [genotype];
expected(cambrian_network, Many) when Many =:= activate_many; Many =:= step_many -> [networks];
expected(cambrian_network, _) -> [network];
expected(cambrian_genotype, Two) when Two =:= crossover; Two =:= distance; Two =:= diff ->
    [genotype, genotype];
expected(cambrian_genotype, Made) when Made =:= new; Made =:= from_binary; Made =:= from_json;
                                       Made =:= from_neat_python -> [];
expected(cambrian_genotype, _) -> [genotype];
expected(cambrian_substrate, express) -> [substrate, genotype];
expected(cambrian_substrate, Of) when Of =:= info; Of =:= shape -> [substrate];
expected(cambrian_archive, merge) -> [archive, archive];
expected(cambrian_archive, from_binary) -> [];
expected(cambrian_archive, _) -> [archive];
expected(_, _) -> [].

is(networks, List) ->
    is_list(List) andalso length_of(List) =/= error
        andalso lists:all(fun(X) -> is(network, X) end, List);
is(Kind, Term) -> cambrian_nif:kind_of(Term) =:= Kind.

length_of(List) -> try length(List) catch error:badarg -> error end.

why(networks, [_ | _] = List) ->
    case [X || length_of(List) =/= error, X <- List, not is(network, X)] of
        [Other | _] ->
            ["has to be a list of networks, and one is ", shown(Other), hint(network, Other)];
        [] -> "has to be a list of networks"
    end;
why(networks, Other) -> ["has to be a list of networks, and is ", shown(Other)];
why(Kind, Other) ->
    ["has to be ", a(Kind), ", and is ", shown(Other), hint(Kind, Other)].

a(archive) -> "an archive";
a(Kind) -> ["a ", atom_to_list(Kind)].

shown(Term) ->
    case cambrian_nif:kind_of(Term) of
        undefined -> io_lib:format("~0tP", [Term, 8], [{chars_limit, ?MAX_TEXT}]);
        Kind -> a(Kind)
    end.

hint(network, Other) ->
    case cambrian_nif:kind_of(Other) of
        genotype -> ": cambrian_network:compile/1 makes one of it";
        _ -> ""
    end;
hint(genotype, Other) ->
    case cambrian_nif:kind_of(Other) of
        network -> ", which is made of one and does not keep it";
        _ -> ""
    end;
hint(_, _) -> "".
