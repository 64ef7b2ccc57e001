#!/usr/bin/env escript
%%! -noinput
%% Runs the `sh' and `console' of README.md and docs/*.md, or of the documents it is given, in their
%% order, and lists the blocks that nobody runs. bin/guides calls it.

-mode(compile).
-define(TIMEOUT_MS, 300_000).
%% What no program writes, between the outputs of two commands.
-define(SEPARATOR, "\036").

main(Given) ->
    _ = [load(Module) || Module <- ["cambrian_checkout", "cambrian_document"]],
    All = cambrian_document:all(),
    [] = Given -- All,
    lists:foreach(fun document/1,
                  [One || One <- All, Given =:= [] orelse lists:member(One, Given)]),
    summary(lists:append([cambrian_document:blocks(One) || One <- All])).

load(Name) ->
    {ok, Module, Code} = compile:file("test/" ++ Name, [binary, report]),
    {module, Module} = code:load_binary(Module, Name ++ ".erl", Code).

%% The last line is one that bin/test shows.
summary(Blocks) ->
    NotRun = [Block || #{not_run := _} = Block <- Blocks],
    _ = [io:format("not run: ~ts: ~ts~n", [cambrian_document:title(Block), Why])
         || #{not_run := Why} = Block <- NotRun],
    Code = [Block || Block <- Blocks, cambrian_document:runner(Block) =/= no_code],
    io:format("summary: of ~b blocks of code ~b are not run~n", [length(Code), length(NotRun)]).

document(Document) ->
    Blocks = cambrian_document:blocks(Document),
    Scratch = cambrian_document:scratch(shell, Document),
    lists:foreach(fun(Block) ->
        case cambrian_document:runner(Block) of
            shell -> timed(Block, Scratch);
            Runner when Runner =:= file;
            Runner =:= eunit;
            Runner =:= exunit -> cambrian_document:write(Block, Scratch);
            _ -> ok
        end
    end, Blocks).

timed(Block, Scratch) ->
    {Micros, ok} = timer:tc(fun() -> run(Block, Scratch) end),
    io:format("~ts: ok, ~.1f s~n", [cambrian_document:title(Block), Micros / 1.0e6]).

run(#{kind := <<"sh">>, text := Text} = Block, Scratch) ->
    case shell(["set -e\n", Text], Scratch) of
        {0, _} -> ok;
        {Status, Output} ->
            failed(Block, Text, "status 0", [io_lib:format("status ~b~n", [Status]), Output])
    end;
run(#{kind := <<"console">>, text := Text} = Block, Scratch) ->
    [<<>> | Steps] = re:split(Text, "^\\$ ", [multiline]),
    Typed = [typed_and_answer(Step) || Step <- Steps],
    Script = [["printf '" ?SEPARATOR "'\n", Command, $\n] || {Command, _} <- Typed],
    {_, Output} = shell(Script, Scratch),
    [_ | Seen] = binary:split(Output, <<?SEPARATOR>>, [global]),
    compare(Block, Typed, Seen).

compare(_, [], []) -> ok;
compare(Block, [{Command, Expected} | Typed], [Seen | Later]) ->
    matches(lines(Expected), lines(Seen)) orelse failed(Block, Command, Expected, Seen),
    compare(Block, Typed, Later);
compare(Block, [{Command, Expected} | _], []) ->
    failed(Block, Command, Expected, "nothing: the shell has ended").

%% A command goes on in the next line behind `> ', or after a backslash.
typed_and_answer(Step) ->
    [First | Rest] = binary:split(Step, <<"\n">>, [global]),
    {More, Answer} = goes_on(First, Rest),
    {lists:join("\n", [First | More]), lists:join("\n", Answer)}.

goes_on(_, [<<"> ", Line/binary>> | Rest]) ->
    {More, Answer} = goes_on(Line, Rest),
    {[Line | More], Answer};
goes_on(Line, [Next | Rest]) when Line =/= <<>> ->
    case binary:last(Line) of
        $\\ ->
            {More, Answer} = goes_on(Next, Rest),
            {[Next | More], Answer};
        _ -> {[], [Next | Rest]}
    end;
goes_on(_, Rest) -> {[], Rest}.

shell(Script, Scratch) ->
    File = filename:join(Scratch, ".guide.sh"),
    ok = file:write_file(File, Script),
    Port = open_port({spawn_executable, os:find_executable("sh")},
                     [{args, [File]}, {cd, Scratch}, exit_status, stderr_to_stdout, binary]),
    output(Port, []).

output(Port, Output) ->
    receive
        {Port, {data, Bytes}} -> output(Port, [Output, Bytes]);
        {Port, {exit_status, Status}} -> {Status, iolist_to_binary(Output)}
    after ?TIMEOUT_MS -> {timeout, iolist_to_binary(Output)}
    end.

%%% ---- comparing --------------------------------------------------------------------------

%% A line `...' stands for any number of lines.
matches([<<"...">> | Expected], Seen) ->
    matches(Expected, Seen) orelse Seen =/= [] andalso matches([<<"...">> | Expected], tl(Seen));
matches([Line | Expected], [Line | Seen]) -> matches(Expected, Seen);
matches([], []) -> true;
matches(_, _) -> false.

%% Times and rates differ from run to run, and how often progress is told of; colours are of no
%% matter.
lines(Text) ->
    Replace =
        fun({Pattern, Same}, T) ->
            re:replace(T, Pattern, Same, [global, unicode, multiline, {return, binary}]) end,
    Plain = lists:foldl(Replace, unicode:characters_to_binary(Text),
                        [{"\e\\[[0-9;]*m", ""}, {"^.*generation [0-9]+, best .*\\n", ""},
                         {"[0-9]+(\\.[0-9]+)? (ms|s|seconds|min)\\b", "_ s"},
                         {"[0-9]+/s\\b", "_/s"},
                         {"(elapsed_ms|evaluations_per_second)(\\W+)[0-9]+", "\\1\\2_"},
                         {"#?[A-Za-z]*<[0-9]+(\\.[0-9]+)+>", "_"}, {"/tmp/\\S+", "/tmp/_"},
                         {"[ \\t]+$", ""}]),
    binary:split(string:trim(Plain), <<"\n">>, [global]).

-spec failed(map(), iodata(), iodata(), iodata()) -> no_return().
failed(Block, Typed, Expected, Seen) ->
    io:format("FAILED: ~ts~ntyped:~n~ts~n~nexpected:~n~ts~n~nseen:~n~ts~n",
              [cambrian_document:title(Block)
               | [unicode:characters_to_binary(Part) || Part <- [Typed, Expected, Seen]]]),
    halt(1).
