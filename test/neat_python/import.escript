#!/usr/bin/env escript
%% import.escript DIRECTORY: each network there computes here what neat-python computed.

-define(TOLERANCE, 1.0e-5).

main([Directory]) ->
    [_ | _] = Files = filelib:wildcard(filename:join(Directory, "*.json")),
    Kinds = [compared(File) || File <- Files],
    Count = fun(Kind) -> length([x || {K, _} <- Kinds, K =:= Kind]) end,
    io:format("~b networks, of which ~b are recurrent: the same to ~p, at worst to ~.2e~n",
              [length(Files), Count(recurrent), ?TOLERANCE,
               lists:max([Worst || {_, Worst} <- Kinds])]).

compared(File) ->
    {ok, Json} = file:read_file(File),
    {ok, Genotype} = case cambrian_genotype:from_neat_python(Json) of
                         {ok, G} -> {ok, G};
                         Error -> fault(File, Error)
                     end,
    #{inputs := Inputs, recurrent := Recurrent} = cambrian_genotype:info(Genotype),
    Network = cambrian_network:compile(Genotype),
    {ok, Rows} = file:read_file(filename:rootname(File) ++ ".rows"),
    {Errors, _} = lists:mapfoldl(
        fun(Row, State) ->
            {Given, Expected} =
                lists:split(Inputs,
                            [binary_to_float(expanded(X))
                             || X <- binary:split(Row, <<" ">>, [global])]),
            {Outputs, Next} = cambrian_network:step(Network, State, Given),
            {lists:max(lists:zipwith(fun(Y, T) -> abs(Y - T) / max(1.0, abs(T)) end, Outputs,
                                     Expected)), Next}
        end, cambrian_network:initial_state(Network), binary:split(Rows, <<"\n">>, [global, trim])),
    Worst = lists:max(Errors),
    Worst =< ?TOLERANCE orelse fault(File, {off_by, Errors}),
    {case Recurrent of 0 -> feedforward; _ -> recurrent end, Worst}.

%% Python writes 1e-05.
expanded(Text) ->
    case binary:split(Text, <<"e">>) of
        [Digits, Power] -> <<(with_point(Digits))/binary, "e", Power/binary>>;
        [_] -> Text
    end.

with_point(Digits) ->
    case binary:match(Digits, <<".">>) of
        nomatch -> <<Digits/binary, ".0">>;
        _ -> Digits
    end.

fault(File, Why) ->
    io:format("~ts: ~0tp~n", [File, Why]),
    halt(1).
