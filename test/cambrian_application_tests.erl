%% What starts the application, and what is logged.
-module(cambrian_application_tests).
-include_lib("eunit/include/eunit.hrl").
-export([log/2]).

%% A population with a name but no directory logs that its checkpoints stay in memory.
a_named_population_without_a_data_dir_logs_it_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Self = self(),
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => Self}),
    try
        {ok, _} =
            cambrian:evolve('xor',
                            #{seed => 42, name => cambrian_tests_told, checkpoint_interval => 0}),
        receive
            {logged, Text} ->
                ?assertEqual("population cambrian_tests_told: checkpoint_interval has no effect, "
                             "as the application has no data_dir",
                             Text)
        after 60_000 -> error(nothing_logged)
        end
    after
        logger:remove_handler(?MODULE)
    end.

log(#{msg := {Format, Args}, level := warning}, #{config := Pid}) ->
    Pid ! {logged, lists:flatten(io_lib:format(Format, Args))};
log(_, _) -> ok.

%% Functions that start something start the application too; functions that only ask return that
%% it does not run.
functions_start_the_application_or_say_that_it_does_not_run_test_() ->
    {timeout, 120, fun() ->
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
        Realm = <<"org.example.lab">>,
        Asks = [fun() -> cambrian_population:Ask(nobody) end
                || Ask <- [run, pause, resume, stop, best, stats, history, checkpoint, subscribe,
                           unsubscribe, info]]
            ++ [fun() -> cambrian_population_client:overview(nobody) end,
                fun() -> cambrian_population:step(nobody, 1) end,
                fun() -> cambrian_population:await(nobody, 1000) end,
                fun() -> cambrian_population:migrant(nobody, novel) end,
                fun() -> cambrian_population:inject(nobody, G) end,
                fun() -> cambrian_recorder:start(nobody) end,
                fun() -> cambrian_recorder:start_link(nobody) end,
                fun() -> cambrian:lineage(G) end, fun cambrian_governor:status/0,
                fun cambrian_dashboard:url/0]
            ++ [fun() -> cambrian_bridge:Ask() end
                || Ask <- [realms, stop, list_nodes, global_best, migrations, identity, rotate,
                           status, counts]]
            ++ [fun() -> cambrian_bridge:Ask(Realm) end
                || Ask <- [stop, list_nodes, global_best, status]]
            ++ [fun() -> cambrian_bridge:join(nobody) end, fun() -> cambrian_bridge:why(G) end,
                fun() -> cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 1}) end,
                fun() -> cambrian_bridge:subscribe_genotypes(all, self()) end,
                fun() -> cambrian_bridge:unsubscribe_genotypes(make_ref()) end]
            ++ [fun() -> cambrian_trust:Ask(Realm) end
                || Ask <- [report, bans, refusals, subscribe, unsubscribe]]
            ++ [fun() -> cambrian_trust:check(Realm, <<"x">>) end,
                fun() -> cambrian_trust:check_record(Realm, <<"x">>) end,
                fun() -> cambrian_trust:follow(Realm, <<"x">>) end,
                fun() -> cambrian_trust:ban(Realm, {key, <<1:256>>}) end,
                fun() -> cambrian_trust:unban(Realm, {key, <<1:256>>}) end,
                fun() -> cambrian_trust:reputation(Realm, <<1:256>>) end,
                fun() -> cambrian_trust:checked(Realm, #{origin => <<1:256>>, fitness => 1.0}, 1.0)
                end],
        Begins =
            [fun() -> cambrian_population:start(#{task => 'xor'}) end,
             fun() -> cambrian_population:start_link(#{task => 'xor'}) end,
             fun() -> cambrian_bridge:start(#{realm => Realm}) end,
             fun() -> cambrian_bridge:start_link(#{realm => Realm}) end,
             fun() -> {cambrian_trust:open(Realm, #{}), self()} end,
             fun() -> {cambrian_governor:configure(#{}), self()} end,
             fun() -> cambrian_dashboard:start(#{port => 0}) end,
             fun() -> cambrian_transport_dist:connect(#{realm => Realm}) end],
        process_flag(trap_exit, true),
        _ = application:stop(cambrian),
        ok = cambrian_logged:start(),
        try
            _ = [?assertError({not_started,
                               <<"start it first: application:ensure_all_started(cambrian)">>},
                              Ask()) || Ask <- Asks],
            _ = [begin
                     ?assertMatch({ok, _}, Begin()),
                     ok = application:stop(cambrian)
                 end || Begin <- Begins],
            ?assertEqual(ok, cambrian_dashboard:stop()),
            ?assertEqual([],
                         [Text
                          || {error, Text} <- cambrian_logged:said(),
                          string:find(Text, "transport_unavailable") =:= nomatch])
        after
            cambrian_logged:stop(),
            process_flag(trap_exit, false)
        end
    end}.

%% The caller has the error already.
an_error_that_is_returned_is_not_logged_too_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_data_dir(fun(Dir) ->
            {ok, P} = cambrian_population:start(#{task => 'xor', name => kept}),
            {ok, _} = cambrian_population:step(kept, 1),
            process_flag(trap_exit, true),
            ok = cambrian_logged:start(),
            try
                Realm = <<"org.example.lab">>,
                ?assertEqual({error, {already_started, P}},
                             cambrian_population:start(#{task => 'xor', name => kept})),
                ?assertEqual({error, {already_started, P}},
                             cambrian_population:start_link(#{task => 'xor', name => kept})),
                ok = cambrian_population:stop(kept),
                Other = {error, {checkpoint_of_another_task, <<"xor">>}},
                ?assertEqual(Other, cambrian_population:start(#{task => parity, name => kept})),
                ?assertEqual(Other,
                             cambrian_population:start_link(#{task => parity, name => kept})),
                ?assertEqual(Other, cambrian:evolve(parity, #{name => kept})),
                [?assertMatch({error, Reason} when element(1, Reason) =:= Kind,
                              Start(Options#{realm => Realm}))
                 || Start <- [fun cambrian_bridge:start/1, fun cambrian_bridge:start_link/1],
                    {Kind,
                     Options} <- [{bad_option,
                                   #{transport_options => #{discovery => {static, [nohost]}}}},
                                  {bad_option,
                                   #{transport_options =>
                                         #{discovery => {multicast, #{port => 0}}}}},
                                  {multicast,
                                   #{transport_options =>
                                         #{discovery =>
                                               {multicast, #{interface => {192, 0, 2, 1}}}}}},
                                  {transport_unavailable, #{transport => no_such_module}},
                                  {transport_unavailable,
                                   #{transport => cambrian_transport_macula}},
                                  {bad_option, #{identity => fun() -> none end}},
                                  {unsafe_permissions, #{identity => Dir}}]],
                ?assertMatch({error, {noproc, _}}, cambrian_recorder:start_link(nobody)),
                ok = application:stop(cambrian),
                ok = application:set_env(cambrian, governor, #{cpu => 0}),
                ?assertMatch({error, {cambrian, {{bad_option, {cpu, 0, _}}, _}}},
                             cambrian:evolve('xor')),
                ?assertEqual([], [Said || {error, _} = Said <- cambrian_logged:said()])
            after
                cambrian_logged:stop(),
                process_flag(trap_exit, false),
                application:unset_env(cambrian, governor)
            end
        end)
    end}.
