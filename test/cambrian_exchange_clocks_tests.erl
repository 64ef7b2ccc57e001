%% A clock that is set silences no node.
-module(cambrian_exchange_clocks_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [alone/1, genotype/2, heartbeat_of/2, identity/1, key/1]).

%% The clock is set an hour back or forward: the node goes on with heartbeats of the new time, and
%% its members stay.
a_clock_that_is_set_silences_no_node_test() ->
    [begin
         X = alone(#{now => 1000, clock => ?T0}),
         {_, Heard} = cambrian_exchange:heard(heartbeat_of(<<"a">>, ?T0 + 1000), 1000, X),
         Set = cambrian_exchange:set_clock(?T0 + Step, Heard),
         {Effects, Next} = cambrian_exchange:tick(7000, Set),
         [Time] = [Said || {publish, Bytes} <- Effects, Said <- time_of(Bytes)],
         ?assertEqual(?T0 + Step + 7000, Time),
         ?assert(cambrian_exchange:wake(Next) =< 7000 + 60_000),
         ?assertEqual([key(<<"a">>)], maps:keys(cambrian_exchange:members(7000, Next))),
         #{seen := Seen} = maps:get(key(<<"a">>), cambrian_exchange:members(7000, Next)),
         ?assertEqual(?T0 + Step + 1000, Seen),
         {_, Again} = cambrian_exchange:heard(heartbeat_of(<<"a">>, ?T0 + Step + 8000), 8000, Next),
         ?assertEqual([key(<<"a">>)], maps:keys(cambrian_exchange:members(20_000, Again)))
     end || Step <- [-60 * ?MINUTE, 60 * ?MINUTE, -365 * 24 * 60 * ?MINUTE]].

%% The clock is set back a little: other nodes accept only a later time than the last.
after_a_clock_is_set_back_heartbeats_still_have_later_times_test() ->
    {[First | _], X} = new(1000, ?T0),
    {Effects, _} = cambrian_exchange:tick(7000, cambrian_exchange:set_clock(?T0 - ?MINUTE, X)),
    [Before] = time_of(element(2, First)),
    [After] = [Said || {publish, Bytes} <- Effects, Said <- time_of(Bytes)],
    ?assertEqual(Before + 1, After).

%% Envelopes continue their sequence numbers, or start at the number given at the start.
sequence_numbers_never_go_back_test() ->
    Publish =
        fun(X) ->
            {{ok, _}, Effects, Next} =
                cambrian_exchange:publish(?TASK, genotype(2, 1), claims(), 7000, X),
                        [Bytes] = [Bytes || {publish, Bytes} <- Effects],
                        {ok, _, #{sequence := Sequence}} = cambrian_envelope:read(Bytes),
                        {Sequence, Next}
              end,
    {First, X} = Publish(alone(#{now => 1000, clock => ?T0})),
    {Second, _} = Publish(cambrian_exchange:set_clock(?T0 - 60 * ?MINUTE, X)),
    ?assertEqual({(?T0 + 1000) * 1000, First + 1}, {First, Second}),
    ?assertMatch({7, _}, Publish(alone(#{now => 1000, clock => ?T0, sequence => 7}))).

claims() -> #{fitness => 1.0, generation => 0, parents => [], operators => []}.

new(Now, Clock) ->
    cambrian_exchange:new(#{realm => ?REALM, identity => identity(<<"me">>), address => <<"me">>,
                            seed => 1, now => Now, clock => Clock,
                            trust =>
                                {fun cambrian_realm:ask/3, cambrian_realm:new(#{name => ?REALM})}}).

time_of(Bytes) ->
    case cambrian_message:kind(Bytes) of
        {heartbeat, Body, _} ->
            {ok, #{time := Time}} = cambrian_message:read_heartbeat(Body, 3_600_000), [Time];
        _ -> []
    end.
