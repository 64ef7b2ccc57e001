%% The blocks of code in README.md and docs/*.md, for the tests that run them. Each test walks a
%% document from its top in a folder of its own, in which `cambrian' is this checkout.
%%
%%   erl      a session with prompts, each block from a fresh start        cambrian_guides_tests
%%   erlang   a module; a sys.config, with which the application must
%%            start; other terms; else expressions                         cambrian_guides_tests
%%   iex      a session with prompts, each block from a fresh start        guides_test.exs
%%   elixir   a module; `config :cambrian'; `deps'; else expressions,
%%            whose bindings go on through the document                    guides_test.exs
%%   sh       commands, of which none may fail                             bin/guides
%%   console  commands behind `$ ', and what they say; `...' is any lines  bin/guides
%%
%% A module is loaded for the sessions below it. Answers are compared, except for times, rates,
%% process ids and the like. `text', or no kind, is no code. Directly above a fence may stand:
%%
%%   <!-- file: NAME -->    the block is that file, of whatever kind; a module of Erlang or Elixir
%%                          is loaded as well
%%   <!-- not run: WHY -->  bin/guides lists those
-module(cambrian_document).

-export([all/0, read/1, links/1, paths/1, anchors/1, headings/1, blocks/1, runner/1, title/1,
         scratch/2, write/2]).
-export_type([block/0]).

-define(DOCUMENTS, ["README.md", "docs/*.md"]).
%% The kinds of blocks that are no code.
-define(NO_CODE, [<<>>, <<"text">>]).

%% `line' is the line of the opening fence, `kind' the word behind it. `file' and `not_run' are
%% the marks above it.
-type block() ::
    #{document := file:filename(), line := pos_integer(), kind := binary(), text := binary(),
      file => binary(), not_run => binary()}.

-spec all() -> [file:filename()].
all() ->
    Root = cambrian_checkout:root(),
    [Document || Pattern <- ?DOCUMENTS, Document <- lists:sort(filelib:wildcard(Pattern, Root))].

-spec read(file:filename()) -> binary().
read(Document) ->
    {ok, Bytes} = file:read_file(cambrian_checkout:path(Document)),
    Bytes.

%% The runner of a block. A block with a `file' mark that is a module is also loaded; other files
%% are only written.
-spec runner(block()) -> eunit | exunit | shell | file | not_run | no_code | unknown.
runner(#{not_run := _}) -> not_run;
runner(#{kind := Kind} = Block) ->
    IsModule = not is_map_key(file, Block)
        orelse lists:member(filename:extension(maps:get(file, Block)), [<<".erl">>, <<".ex">>]),
    case Kind of
        <<"erl">> -> eunit;
        <<"erlang">> when IsModule -> eunit;
        <<"iex">> -> exunit;
        <<"elixir">> when IsModule -> exunit;
        <<"sh">> -> shell;
        <<"console">> -> shell;
        _ when is_map_key(file, Block) -> file;
        _ -> case lists:member(Kind, ?NO_CODE) of true -> no_code; false -> unknown end
    end.

-spec title(block()) -> string().
title(#{document := Document, line := Line}) ->
    lists:flatten(io_lib:format("~ts:~b", [Document, Line])).

%% An empty folder for a document and its runner. `cambrian' in it is a link to this checkout, as
%% beside a clone.
-spec scratch(atom(), file:filename()) -> file:filename().
scratch(Runner, Document) ->
    Guides = cambrian_checkout:path("_build/guides"),
    Dir = filename:join([Guides, atom_to_list(Runner), filename:basename(Document, ".md")]),
    _ = file:del_dir_r(Dir),
    Link = filename:join(Dir, "cambrian"),
    ok = filelib:ensure_dir(Link),
    ok = file:make_symlink(cambrian_checkout:root(), Link),
    Dir.

%% Writes a block with a `file' mark.
-spec write(block(), file:filename()) -> ok.
write(#{file := File, text := Text}, Scratch) ->
    Path = filename:join(Scratch, File),
    ok = filelib:ensure_dir(Path),
    ok = file:write_file(Path, Text);
write(_, _) -> ok.

%% The files of this checkout to which the document links.
-spec links(file:filename()) -> [file:filename()].
links(Document) ->
    case re:run(read(Document), "\\]\\(([^)#:]+)(#[^)]*)?\\)", [global, {capture, [1], list}]) of
        {match, Found} -> [beside(Document, Link) || [Link] <- Found];
        nomatch -> []
    end.

%% The text between backquotes, outside of blocks, that is a path in this checkout: it begins with
%% a folder of the checkout or ends as a source file does. A word in capitals stands for any name.
-spec paths(file:filename()) -> [Path :: string()].
paths(Document) ->
    Prose =
        re:replace(read(Document), "^\\s*```.*?^\\s*```", "",
                   [global, multiline, dotall, {return, binary}]),
    Quoted = case re:run(Prose, "`([\\w.*-]+(?:/[\\w.*-]+)+)/?`", [global, {capture, [1], list}]) of
                 {match, Found} -> Found;
                 nomatch -> []
             end,
    lists:usort([Path
                 || [Path] <- Quoted, is_of_the_checkout(Path),
                 not lists:any(fun is_placeholder/1, filename:split(Path))]).

is_of_the_checkout(Path) ->
    [First | _] = filename:split(Path),
    lists:member(filename:extension(Path), [".erl", ".rs", ".ex", ".hrl"])
        orelse filelib:is_dir(cambrian_checkout:path(First)) andalso
            not lists:member(First, ["_build", "target"]).

is_placeholder(Part) -> re:run(Part, "(^|_)NAME\\b") =/= nomatch.

%% The headings to which it links, in itself and in our other documents.
-spec anchors(file:filename()) -> [{file:filename(), Anchor :: binary()}].
anchors(Document) ->
    case re:run(read(Document), "\\]\\(([^)#:]*)#([^)]+)\\)",
                [global, {capture, [1, 2], binary}]) of
        {match, Found} ->
            [{target(unicode:characters_to_list(Link), Document), Anchor}
             || [Link, Anchor] <- Found];
        nomatch -> []
    end.

target("", Document) -> cambrian_checkout:path(Document);
target(Link, Document) -> beside(Document, Link).

beside(Document, Link) -> cambrian_checkout:path(filename:join(filename:dirname(Document), Link)).

%% The anchors of a document's headings, as GitHub makes them.
-spec headings(file:filename()) -> [binary()].
headings(Document) -> headings(binary:split(read(Document), <<"\n">>, [global]), outside).

headings([], _) -> [];
headings([<<"```", _/binary>> | Lines], outside) -> headings(Lines, inside);
headings([<<"```", _/binary>> | Lines], inside) -> headings(Lines, outside);
headings([<<"#", _/binary>> = Line | Lines], outside) ->
    Text = string:lowercase(string:trim(Line, both, "# ")),
    Kept = re:replace(Text, "[^\\w\\- ]", "", [global, unicode, ucp, {return, binary}]),
    [binary:replace(Kept, <<" ">>, <<"-">>, [global]) | headings(Lines, outside)];
headings([_ | Lines], Where) -> headings(Lines, Where).

%%% ---- reading ----------------------------------------------------------------------------

-spec blocks(file:filename()) -> [block()].
blocks(Document) ->
    Lines = binary:split(read(Document), <<"\n">>, [global]),
    outside(lists:zip(lists:seq(1, length(Lines)), Lines), #{document => Document}).

%% A mark holds for the fence directly below it.
outside([{Number, Line} | Lines], Marks) ->
    case {fence(Line), mark(Line)} of
        {{Fence, Kind}, _} ->
            inside(Lines, Fence, Marks#{line => Number, kind => Kind, text => <<>>});
        {none, {Mark, Value}} ->
            outside(Lines, Marks#{Mark => Value});
        {none, none} ->
            outside(Lines, maps:with([document], Marks))
    end;
outside([], _) -> [].

inside([{_, Fence} | Lines], Fence, Block) ->
    [Block | outside(Lines, maps:with([document], Block))];
inside([{_, Line} | Lines], Fence, #{text := Text} = Block) ->
    inside(Lines, Fence, Block#{text := <<Text/binary, Line/binary, "\n">>});
inside([], _, Block) -> error({no_end_of_block, title(Block)}).

fence(Line) ->
    case re:run(Line, "^\\s*(```+)\\s*(\\S*)", [{capture, all_but_first, binary}]) of
        {match, [Fence, Kind]} -> {Fence, Kind};
        nomatch -> none
    end.

mark(Line) ->
    case re:run(Line, "^<!-- (file|not run): *(.+?) *-->$", [{capture, all_but_first, binary}]) of
        {match, [<<"file">>, File]} -> {file, File};
        {match, [<<"not run">>, Why]} -> {not_run, Why};
        nomatch -> none
    end.
