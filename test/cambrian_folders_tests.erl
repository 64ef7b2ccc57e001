%% The order of the folders of `src': a module uses only modules and types of its own folder and
%% of those before it.
-module(cambrian_folders_tests).
-include_lib("eunit/include/eunit.hrl").

-export([print/0]).

%% From the bottom. The front door and the application are in `src' itself; the command line uses
%% them.
-define(FOLDERS,
        ["base", "genome", "picture", "task", "data", "archive", "run", "trust", "transport",
         "mesh", "federation", "watch", "dashboard", "src", "shell"]).

every_folder_has_a_place_in_the_order_test() ->
    ?assertEqual([], lists:usort(maps:values(folders())) -- ?FOLDERS).

%% Of two modules with one name the build keeps one and says nothing.
no_two_modules_have_the_same_name_test() ->
    Names =
        [filename:basename(File)
         || File <- filelib:wildcard(cambrian_checkout:path("src/**/*.erl"))],
    ?assertEqual([], Names -- lists:usort(Names)).

no_folder_uses_a_folder_after_it_test() ->
    ?assertEqual([], [Use || {From, To, _, _} = Use <- uses(), place(From) < place(To)]).

%% Two modules that call each other are one module in two files.
no_modules_of_a_folder_call_each_other_in_a_circle_test() ->
    Folders = folders(),
    ?assertEqual([], circles([{Module, Other}
                              || {Module, Folder} <- maps:to_list(Folders),
                                 Other <- called(forms(Module)), Other =/= Module,
                                 maps:find(Other, Folders) =:= {ok, Folder}])).

circles_are_found_test() ->
    ?assertEqual([[a, b, c]], circles([{a, b}, {b, c}, {c, a}, {c, d}, {d, e}])),
    ?assertEqual([], circles([{a, b}, {b, c}, {a, c}])),
    ?assertEqual([b, c, d], called(erl_syntax_forms(
        "-import(d, [i/0]). -spec f() -> e:t(). f() -> b:g(fun c:h/0), i()."))).

%% Checks that the test sees calls, types and behaviours at all.
uses_are_found_test() ->
    Uses = uses(),
    [?assert(lists:member(Use, Uses))
     || Use <- [{"run", "base", cambrian_population_telemetry, cambrian_telemetry},
                {"trust", "genome", cambrian_envelope, cambrian_genotype},
                {"transport", "base", cambrian_transport_dist, cambrian_running}]],
    ?assertEqual([{a, call}, {b, type}, {c, behaviour}, {d, call}],
                 lists:usort(remote(erl_syntax_forms(
                     "-behaviour(c). -spec f() -> b:t(). f() -> a:g(fun d:h/0).")))).

%% Lists the modules that a module calls, and those whose functions it imports or makes a fun of.
called(Forms) ->
    lists:usort([Module || {Module, call} <- remote(Forms)]
                ++ [Module || {attribute, _, import, {Module, _}} <- Forms]).

circles(Calls) ->
    Graph = digraph:new(),
    lists:foreach(fun({From, To}) ->
                      _ = [digraph:add_vertex(Graph, Module) || Module <- [From, To]],
                      digraph:add_edge(Graph, From, To)
                  end, Calls),
    Circles = [lists:sort(Circle) || [_, _ | _] = Circle <- digraph_utils:strong_components(Graph)],
    true = digraph:delete(Graph),
    lists:sort(Circles).

%% @doc For `bin/check': each folder and the folders that it uses.
-spec print() -> ok.
print() ->
    Uses = lists:usort([{place(From), place(To)} || {From, To, _, _} <- uses(), From =/= To]),
    [io:format("~ts -> ~ts~n",
               [string:pad(Folder, 9),
                lists:join(", ", [lists:nth(To, ?FOLDERS) || {From, To} <- Uses, From =:= At])])
     || {At, Folder} <- lists:enumerate(?FOLDERS)],
    ok.

place(Folder) -> length(lists:takewhile(fun(Other) -> Other =/= Folder end, ?FOLDERS)) + 1.

%%% ---- uses --------------------------------------------------------------------------------

uses() ->
    Folders = folders(),
    lists:usort([{From, To, Module, Other}
                 || {Module, From} <- maps:to_list(Folders), {Other, _} <- remote(forms(Module)),
                                              {ok, To} <- [maps:find(Other, Folders)]]).

folders() ->
    Root = filename:dirname(code:lib_dir(cambrian, src)),
    maps:from_list([{list_to_atom(filename:basename(File, ".erl")),
                     filename:basename(filename:dirname(File))}
                    || File <- filelib:wildcard(filename:join(Root, "src/**/*.erl"))]).

forms(Module) ->
    {ok, {Module, [{abstract_code, {_, Forms}}]}} =
        beam_lib:chunks(code:which(Module), [abstract_code]),
    Forms.

remote({call, _, {remote, _, {atom, _, Module}, {atom, _, _}}, Arguments}) ->
    [{Module, call} | remote(Arguments)];
remote({'fun', _, {function, {atom, _, Module}, _, _}}) -> [{Module, call}];
remote({remote_type, _, [{atom, _, Module}, _, Arguments]}) -> [{Module, type} | remote(Arguments)];
remote({attribute, _, Behaviour, Module}) when Behaviour =:= behaviour; Behaviour =:= behavior ->
    [{Module, behaviour}];
remote(Form) when is_tuple(Form) -> remote(tuple_to_list(Form));
remote([First | Rest]) -> remote(First) ++ remote(Rest);
remote(_) -> [].

erl_syntax_forms(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    forms_of(Tokens, []).

forms_of([], []) -> [];
forms_of([{dot, _} = Dot | Rest], Form) ->
    {ok, Parsed} = erl_parse:parse_form(lists:reverse([Dot | Form])),
    [Parsed | forms_of(Rest, [])];
forms_of([Token | Rest], Form) -> forms_of(Rest, [Token | Form]).
