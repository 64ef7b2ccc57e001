%% Makes the docs that `h(cambrian, evolve).' and `h :cambrian.evolve' show: EEP 48 chunks beside
%% the compiled application, where a shell looks for them, also in a project that depends on
%% Cambrian. Like cambrian_build.erl it is one file and needs only OTP. rebar3 runs it after
%% compiling; mix.exs compiles it in memory and calls make/2.
%%
%% It needs EDoc, which small installations of Erlang lack. An error here never stops a build.
-module(cambrian_chunks).
-export([main/1, make/2]).

main([]) ->
    Root = filename:dirname(filename:dirname(filename:absname(escript:script_name()))),
    lists:foreach(fun(Lib) -> make(Root, Lib) end, compiled(Root)).

%% Returns the folders into which rebar3 may have compiled Cambrian: as a dependency, in _checkouts,
%% or as the project itself.
compiled(Root) ->
    Folders = [os:getenv("REBAR_DEPS_DIR", ""), os:getenv("REBAR_CHECKOUTS_OUT_DIR", "")],
    Libs = [Root | [filename:join(Folder, "cambrian") || Folder <- Folders, Folder =/= ""]],
    IsCompiled = fun(Lib) -> filelib:is_regular(filename:join([Lib, "ebin", "cambrian.beam"])) end,
    lists:usort(lists:filter(IsCompiled, Libs)).

-spec make(file:filename(), file:filename()) -> noop | ok.
make(Root, Lib) ->
    Doc = filename:join(Lib, "doc"),
    Stamp = filename:join([Doc, "chunks", ".stamp"]),
    Sources = sources(Root),
    HasEdoc = has_edoc(),
    Key = erlang:md5(term_to_binary({HasEdoc, Sources})),
    case file:read_file(Stamp) of
        {ok, Key} -> noop;
        _ ->
            Old = filelib:wildcard(filename:join([Doc, "chunks", "*.chunk"])),
            lists:foreach(fun file:delete/1, Old),
            Result = case HasEdoc of
                true -> edoc([File || {File, _} <- Sources], Doc);
                false -> "this Erlang has no EDoc (Debian: erlang-edoc)"
            end,
            Result =:= ok
                orelse io:format(standard_error, "cambrian: no docs for h/2: ~ts~n", [Result]),
            _ = filelib:ensure_dir(Stamp),
            _ = file:write_file(Stamp, Key),
            ok
    end.

sources(Root) ->
    [{File, Text} || File <- filelib:wildcard(filename:join([Root, "src", "**", "*.erl"])),
                     {ok, Text} <- [file:read_file(File)]].

%% EDoc needs xmerl and syntax_tools.
has_edoc() ->
    lists:all(fun(Module) -> code:which(Module) =/= non_existing end,
              [edoc_layout_chunks, xmerl_scan, erl_syntax]).

%% Without the preprocessor: it takes four times as long, and changes nothing in the docs of public
%% functions and types, which use no macro.
edoc(Files, Doc) ->
    Options = [{dir, Doc}, {doclet, edoc_doclet_chunks}, {layout, edoc_layout_chunks}],
    try edoc:files(Files, Options)
    catch _:Reason -> io_lib:format("EDoc ended with ~0tP", [Reason, 20])
    end.
