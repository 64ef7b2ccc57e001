#!/usr/bin/env escript
%% What we write, Python's msgpack reads, and what that writes of it are the same bytes.
%% messagepack.escript PYTHON WORK
-mode(compile).

main([Python, Work]) ->
    Values =
        [nil, true, false, [], #{}, <<>>, {text, <<"text">>}, 0.0, -1.5, 1.0e300,
         #{1 => [2, #{3 => <<4>>}]}]
        ++ [Sign * (1 bsl Bits) + D || Sign <- [1, -1], Bits <- lists:seq(0, 62), D <- [-1, 0, 1]]
        ++ [binary:copy(<<7>>, Size) || Size <- sizes()] ++
            [{text, binary:copy(<<"x">>, Size)} || Size <- sizes()]
        ++ [lists:seq(1, Size) || Size <- sizes()] ++
            [maps:from_list([{N, N} || N <- lists:seq(1, Size)]) || Size <- sizes()],
    {Ours, Theirs} = {filename:join(Work, "ours.msgpack"), filename:join(Work, "theirs.msgpack")},
    Bytes = iolist_to_binary(cambrian_msgpack:encode(Values)),
    ok = file:write_file(Ours, Bytes),
    io:format("~ts",
              [os:cmd(lists:flatten(io_lib:format("~ts -B test/gymnasium/messagepack.py ~ts ~ts",
                                                  [Python, Ours, Theirs])))]),
    {ok, Bytes} = file:read_file(Theirs),
    {ok, Read} = cambrian_msgpack:decode(Bytes),
    Read = [case Value of {text, Text} -> Text; _ -> Value end || Value <- Values],
    io:format("MessagePack: ~b values, the same bytes from Python~n", [length(Values)]).

sizes() -> [1, 15, 16, 31, 32, 255, 256, 65535, 65536].
