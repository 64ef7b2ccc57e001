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
