-module(rebar3_app_tests).
-include_lib("eunit/include/eunit.hrl").

evolve_test_() ->
    {timeout, 60, fun() ->
        {ok, _} = application:ensure_all_started(rebar3_app),
        ?assertMatch({ok, #{solved := true}}, rebar3_app:evolve())
    end}.
