%% EDoc's output for the public modules: pages, and chunks for h/2.
-module(cambrian_edoc_tests).
-include_lib("eunit/include/eunit.hrl").

edoc_reports_nothing_test_() ->
    {timeout, 120, fun() -> ?assertEqual("", run_edoc(public())) end}.

%% EDoc shows a macro as it is written, as it reads without the preprocessor.
no_public_type_uses_a_macro_test() ->
    ?assertEqual([], [{filename:basename(File), Macro}
                      || File <- public(), Macro <- macros_in_types(File)]).

macros_in_types(File) ->
    {ok, Text} = file:read_file(File),
    Type = "^-(?:type|opaque|spec|callback)[^?]*?(?:\\.$|(\\?\\w+))",
    case re:run(Text, Type, [global, multiline, dotall, {capture, [1], list}]) of
        {match, Found} -> [Macro || [Macro] <- Found, Macro =/= ""];
        nomatch -> []
    end.

%% EDoc takes a comment above a type or a callback for the doc of the one before it.
the_doc_of_a_type_stands_below_it_test() ->
    ?assertEqual([],
                 [{filename:basename(File), Line}
                  || File <- public(), Line <- comments_above_types(File)]).

%% A private module has no page, so a link to it is broken; `make docs' finds that only at its
%% end.
no_public_doc_links_to_a_private_module_test() ->
    Modules = lists:map(fun module/1, public()),
    Links = [{filename:basename(File), Link} || File <- public(), Link <- linked_modules(File)],
    ?assert(length(Links) > 50),
    ?assertEqual([], [Link || {_, Module} = Link <- Links, not lists:member(Module, Modules)]).

every_function_has_a_spec_test() ->
    ?assertEqual([], [{Module, Function} || File <- public(), Module <- [module(File)],
                                            Function <- without_spec(Module)]).

public() ->
    Files = filelib:wildcard(cambrian_checkout:path("src/**/*.erl")),
    [File || File <- Files, {ok, Text} <- [file:read_file(File)], not is_private(Text)].

is_private(<<"%% @private", _/binary>>) -> true;
is_private(_) -> false.

module(File) -> list_to_atom(filename:basename(File, ".erl")).

%% The modules to which the docs of a file link, except the docs of private functions.
linked_modules(File) ->
    {ok, Text} = file:read_file(File),
    lists:append([linked(Part)
                  || Part <- binary:split(Text, <<"\n\n">>, [global]), not is_private(Part)]).

linked(Text) ->
    case re:run(Text, "{@link\\s+(?:%%\\s+)?(cambrian[a-z_]*)[:}]",
                [global, {capture, [1], list}]) of
        {match, Found} -> [list_to_atom(Module) || [Module] <- Found];
        nomatch -> []
    end.

%% The messages of EDoc and of its XML reader.
run_edoc(Files) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Said = filename:join(Dir, "said"),
        {ok, Device} = file:open(Said, [write]),
        Options =
            [{dir, Dir}, {doclet, edoc_doclet_chunks}, {layout, edoc_layout_chunks}],
        {Pid, Monitor} =
            spawn_monitor(fun() -> group_leader(Device, self()), edoc:files(Files, Options) end),
        receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end,
        ok = file:close(Device),
        {ok, Text} = file:read_file(Said),
        unicode:characters_to_list(Text)
    end).

comments_above_types(File) ->
    {ok, Text} = file:read_file(File),
    Lines = string:split(Text, "\n", all),
    [At
     || {At, <<"%% ", _/binary>>, Below} <- lists:zip3(lists:seq(1, length(Lines)), Lines,
                                                       tl(Lines) ++ [<<>>]),
           re:run(Below, "^-(type|opaque|callback)\\b") =/= nomatch].

without_spec(Module) ->
    {ok, {Module, [{abstract_code, {_, Forms}}]}} =
        beam_lib:chunks(code:which(Module), [abstract_code]),
    Callbacks =
        lists:append([Behaviour:behaviour_info(callbacks)
                      || {attribute, _, behaviour, Behaviour} <- Forms]),
    Exported = lists:append([Functions || {attribute, _, export, Functions} <- Forms]),
    Specified = [Function || {attribute, _, spec, {Function, _}} <- Forms],
    States =
        [Function || {_, 3} = Function <- Exported, lists:member({callback_mode, 0}, Callbacks)],
    Exported -- (Specified ++ Callbacks ++ States ++ [{behaviour_info, 1}]).

