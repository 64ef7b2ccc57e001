%% The log of a federation in one VM: options and disks. Real nodes are in cambrian_log_SUITE.
-module(cambrian_log_tests).
-include_lib("eunit/include/eunit.hrl").

-define(QUORUM, #{engine => cambrian_log_quorum}).

start(Options) -> cambrian_log:start_link(maps:merge(?QUORUM#{name => <<"test">>}, Options)).

next(Log) ->
    receive {cambrian_log, Log, Event} -> Event
    after 10_000 -> error(no_event)
    end.

%% The events up to the one of this shape.
until(Log, Is) ->
    Event = next(Log),
    case Is(Event) of
        true -> [Event];
        false -> [Event | until(Log, Is)]
    end.

coordinates({coordinator, {_, _}}) -> true;
coordinates(_) -> false.

propose(Log, Numbers) ->
    #{coordinator := Epoch} = cambrian_log:status(Log),
    [begin
         ok = cambrian_log:propose(Log, Epoch, Number, <<Number>>),
         {committed, #{number := Number} = Record} = next(Log),
         Record
     end || Number <- Numbers].

%%% ---- options ----------------------------------------------------------------------------

wrong_options_are_named_test() ->
    [?assertMatch({error, Reason}, cambrian_log:start_link(Options))
     || {Reason, Options} <- [{{missing_options, [name]}, #{}}]],
    ?assertMatch({error, {bad_option, {seats, 4, _}}}, start(#{seats => 4})),
    ?assertMatch({error, {bad_option, {name, pole, _}}}, start(#{name => pole})),
    ?assertMatch({error, {unknown_option, seat, #{did_you_mean := seats}}}, start(#{seat => 3})).

ra_that_is_not_there_is_named_test() ->
    process_flag(trap_exit, true),
    Ra = #{engine => cambrian_log_ra, found => <<>>},
    ?assertEqual({error, {missing_options, [dir]}}, start(Ra)),
    case cambrian_log_ra:is_available() of
        true -> ok;
        false -> ?assertEqual({error, {application_unavailable, ra}}, start(Ra#{dir => "nowhere"}))
    end.

a_log_ends_with_its_owner_test() ->
    Owner = spawn(fun() -> receive stop -> ok end end),
    {ok, Log} = start(#{found => <<>>, owner => Owner}),
    Monitor = monitor(process, Log),
    Owner ! stop,
    receive {'DOWN', Monitor, process, Log, Reason} -> ?assertEqual(normal, Reason) end.

%%% ---- disks ------------------------------------------------------------------------------

with_dir(Test) ->
    Dir = filename:join(cambrian_checkout:path("_build/log_tests"),
                        integer_to_list(erlang:unique_integer([positive]))),
    _ = file:del_dir_r(Dir),
    try Test(Dir) after file:del_dir_r(Dir) end.

promises(Dir) -> filename:join([Dir, "test", "promised"]).

a_member_with_a_disk_keeps_its_name_and_its_records_test() ->
    with_dir(fun(Dir) ->
        {ok, Log} = start(#{found => <<"first">>, dir => Dir, window => 4}),
        [{committed, #{number := 0}} | _] = until(Log, fun coordinates/1),
        Records = propose(Log, lists:seq(1, 9)),
        #{member := Me} = cambrian_log:status(Log),
        ok = cambrian_log:stop(Log),
        %% the owner has a checkpoint of record 7
        {ok, Again} = start(#{found => <<"first">>, dir => Dir, window => 4,
                              record => lists:nth(7, Records)}),
        ?assertEqual([{committed, Record} || Record <- lists:nthtail(7, Records)],
                     lists:droplast(until(Again, fun coordinates/1))),
        ?assertMatch(#{member := Me, number := 9}, cambrian_log:status(Again)),
        [_] = propose(Again, [10]),
        ok = cambrian_log:stop(Again),
        %% an older one does not reach the records that are held
        {ok, Late} = start(#{dir => Dir, window => 4, record => hd(Records)}),
        ?assertEqual({behind, 10, Me}, next(Late)),
        ok = cambrian_log:stop(Late)
    end).

a_member_whose_promises_are_damaged_has_another_name_test() ->
    with_dir(fun(Dir) ->
        {ok, Log} = start(#{found => <<"first">>, dir => Dir}),
        _ = until(Log, fun coordinates/1),
        _ = propose(Log, [1, 2]),
        #{member := Me} = cambrian_log:status(Log),
        ok = cambrian_log:stop(Log),
        {ok, Bytes} = file:read_file(promises(Dir)),
        ok = file:write_file(promises(Dir), binary:part(Bytes, 0, byte_size(Bytes) - 1)),
        {ok, Again} = start(#{dir => Dir}),
        #{member := Other, number := 2, coordinator := none} = cambrian_log:status(Again),
        ?assertNotEqual(Me, Other),
        ok = cambrian_log:stop(Again)
    end).

a_log_ends_before_it_sends_what_its_disk_does_not_hold_test() ->
    process_flag(trap_exit, true),
    with_dir(fun(Dir) ->
        {ok, Log} = start(#{found => <<"first">>, dir => Dir}),
        _ = until(Log, fun coordinates/1),
        #{coordinator := Epoch} = cambrian_log:status(Log),
        ok = file:delete(promises(Dir)),
        ok = file:make_dir(promises(Dir)),
        ok = cambrian_log:propose(Log, Epoch, 1, <<"one">>),
        receive {'EXIT', Log, Reason} -> ?assertMatch({not_kept, {_, _}}, Reason) end
    end).
