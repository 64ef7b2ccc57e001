%% Runs the Erlang in README.md and docs/*.md in the order of each document, and checks that no
%% block is left out. See cambrian_document.
-module(cambrian_guides_tests).
-include_lib("eunit/include/eunit.hrl").

the_erlang_of_every_document_runs_test_() ->
    [{Document,
      {setup, fun() -> enter(Document) end, fun leave/1,
       fun(_) -> [test(Block) || Block <- Blocks] end}}
     || Document <- cambrian_document:all(),
        Blocks <- [cambrian_document:blocks(Document)],
        [] =/= [Block || Block <- Blocks, cambrian_document:runner(Block) =:= eunit]].

%% A block that no test runs is a mistake, unless a mark gives the reason.
every_block_is_run_test() ->
    Blocks =
        lists:append([cambrian_document:blocks(Document) || Document <- cambrian_document:all()]),
    Unknown = [Block || Block <- Blocks, cambrian_document:runner(Block) =:= unknown],
    ?assertEqual([], [{cambrian_document:title(One), Kind} || #{kind := Kind} = One <- Unknown]).

%% A block without a language does not look like code either.
every_block_of_code_names_its_language_test() ->
    ?assertEqual([], [cambrian_document:title(Block)
                      || Document <- cambrian_document:all(),
                      #{text := Text} = Block <- cambrian_document:blocks(Document),
                         cambrian_document:runner(Block) =:= no_code,
                         re:run(Text, "^(\\$|iex>|[0-9]+>|-module|defmodule) ?",
                                [multiline]) =/= nomatch]).

%% A file that no later block uses would only look as if it was tested.
every_file_of_a_document_is_used_test() ->
    ?assertEqual([], [{cambrian_document:title(Block), File}
                      || Document <- cambrian_document:all(),
                         [#{file := File} = Block
                          | Later] <- tails(cambrian_document:blocks(Document)),
                         cambrian_document:runner(Block) =:= file,
                         not lists:any(fun(Other) -> uses(File, Other) end, Later)]).

every_link_leads_to_a_file_test() ->
    ?assertEqual([],
                 [{Document, Link}
                  || Document <- cambrian_document:all(), Link <- cambrian_document:links(Document),
                                      not filelib:is_file(Link)]).

every_path_in_the_text_exists_test() ->
    Paths =
        [{Document, Path}
         || Document <- ["CONTRIBUTING.md" | cambrian_document:all()],
         Path <- cambrian_document:paths(Document)],
    ?assert(length(Paths) >= 50),
    ?assertEqual([], [{Document, Path} || {Document, Path} <- Paths,
                                          [] =:= filelib:wildcard(Path, cambrian_checkout:root())]).

every_anchor_is_that_of_a_heading_test() ->
    Anchors =
        [{Document, Target, Anchor}
         || Document <- cambrian_document:all(),
         {Target, Anchor} <- cambrian_document:anchors(Document)],
    ?assert(length(Anchors) >= 40),
    ?assertEqual([],
                 [Dead
                  || {_, Target, Anchor} = Dead <- Anchors, filename:extension(Target) =/= ".md"
                              orelse not lists:member(Anchor, cambrian_document:headings(Target))]).

tails([]) -> [];
tails([_ | Rest] = List) -> [List | tails(Rest)].

%% The block names the file, or a folder that contains it.
uses(File, #{text := Text} = Block) ->
    Names =
        [filename:rootname(filename:basename(File))
         | filename:split(filename:dirname(File))] -- [<<".">>],
    not lists:member(cambrian_document:runner(Block), [not_run, no_code]) andalso
        binary:match(Text, Names) =/= nomatch.

%%% ---- running ----------------------------------------------------------------------------

enter(Document) ->
    Scratch = cambrian_document:scratch(eunit, Document),
    {ok, Before} = file:get_cwd(),
    ok = file:set_cwd(Scratch),
    {Before, Scratch, modules(Document)}.

leave({Before, _Scratch, Modules}) ->
    _ = [code:delete(Module) andalso code:purge(Module) || Module <- Modules],
    ok = file:set_cwd(Before).

test(#{text := Text} = Block) ->
    {cambrian_document:title(Block),
     {timeout, 120, fun() ->
         {ok, Scratch} = file:get_cwd(),
         Runner = cambrian_document:runner(Block),
         _ = [cambrian_document:write(Block, Scratch)
              || lists:member(Runner, [eunit, exunit, file])],
         _ = [run(Block, unicode:characters_to_list(Text)) || Runner =:= eunit]
     end}}.

run(#{kind := <<"erl">>}, Text) ->
    cambrian_session:started(fun() -> cambrian_session:run(string:split(Text, "\n", all)) end);
run(#{kind := <<"erlang">>}, Text) ->
    case {re:run(Text, "^-module\\((\\w+)\\)", [multiline, {capture, all_but_first, list}]),
          cambrian_session:terms(Text)} of
        {{match, [Name]}, _} -> load(Name, Text);
        {nomatch, {ok, [[Application | _] = Config]}} when tuple_size(Application) =:= 2 ->
            start(Config);
        {nomatch, {ok, _Terms}} -> ok;
        {nomatch, error} -> cambrian_session:started(fun() -> cambrian_session:evaluate(Text) end)
    end.

load(Name, Text) ->
    File = Name ++ ".erl",
    ok = file:write_file(File, unicode:characters_to_binary(Text)),
    case compile:file(File, [binary, debug_info, return]) of
        {ok, Module, Code, []} -> {module, Module} = code:load_binary(Module, File, Code);
        {ok, _, _, Warnings} ->
            error(#{typed => Text, expected => "no warnings", seen => Warnings});
        {error, Errors, _} -> error(#{typed => Text, expected => "a module", seen => Errors})
    end.

modules(Document) ->
    [binary_to_atom(Name)
     || #{kind := <<"erlang">>, text := Text} <- cambrian_document:blocks(Document),
                             {match, [Name]} <- [re:run(Text, "^-module\\((\\w+)\\)",
                                                        [multiline,
                                                         {capture, all_but_first, binary}])]].

%% A sys.config with which the application must start. The directories in it are moved into the
%% scratch folder.
start(Config) ->
    Environment = proplists:get_value(cambrian, Config, []),
    _ = application:load(cambrian),
    Before = application:get_all_env(cambrian),
    try
        _ = [ok = application:set_env(cambrian, Key, here(Key, Value))
             || {Key, Value} <- Environment],
        cambrian_session:started(fun() -> ok end)
    after
        _ = [application:unset_env(cambrian, Key) || {Key, _} <- Environment],
        _ = [application:set_env(cambrian, Key, Value) || {Key, Value} <- Before]
    end.

here(data_dir, Dir) -> filename:join(["." | tl(filename:split(filename:absname(Dir)))]);
%% Another program may use the port.
here(dashboard, #{port := _} = Options) -> Options#{port := 0};
here(_, Value) -> Value.
