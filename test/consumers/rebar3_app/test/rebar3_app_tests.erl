-module(rebar3_app_tests).
-include_lib("eunit/include/eunit.hrl").

evolve_test_() ->
    {timeout, 60, fun() ->
        {ok, _} = application:ensure_all_started(rebar3_app),
        ?assertMatch({ok, #{solved := true}}, rebar3_app:evolve())
    end}.

the_helper_for_gymnasium_is_there_test() ->
    {program, #{args := [Helper | _]}} = cambrian_program:gymnasium("CartPole-v1"),
    ?assert(filelib:is_regular(Helper)).

h_shows_the_docs_test() ->
    ?assertMatch({ok, {docs_v1, _, erlang, _, #{<<"en">> := _}, _, [_ | _]}},
                 code:get_doc(cambrian)),
    Shown = said(fun() -> c:h(cambrian, evolve) end),
    ?assertNotEqual(nomatch, string:find(Shown, "-spec evolve(Task :: cambrian_task:task()")),
    ?assertNotEqual(nomatch, string:find(Shown, "Evolves")).

said(Fun) ->
    {ok, Device} = file:open("h_shows_the_docs", [write, read, {encoding, utf8}]),
    {Pid, Monitor} = spawn_monitor(fun() -> group_leader(Device, self()), Fun() end),
    receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason) end,
    ok = file:close(Device),
    {ok, Text} = file:read_file("h_shows_the_docs"),
    ok = file:delete("h_shows_the_docs"),
    Text.
