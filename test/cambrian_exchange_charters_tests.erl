%% Charters and successions reach all nodes.
-module(cambrian_exchange_charters_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [add/3, call/4, did/2, do_all/3, identity/1, later/2, world/1,
                             world/2]).

%%% ---- charters ---------------------------------------------------------------------------

owner(N) -> maps:get(key, identity(<<N>>)).

signed(Number, Owners, Signers) ->
    Secret = fun(N) -> (maps:get(secret, identity(<<N>>)))() end,
    {ok, Draft} =
        cambrian_charter:seal(#{realm => ?REALM, number => Number,
                                owners => lists:map(fun owner/1, Owners), issued => 0},
                              Secret(hd(Signers))),
    lists:foldl(fun(N, Bytes) -> {ok, Next} = cambrian_charter:cosign(Bytes, Secret(N)), Next end,
                Draft, tl(Signers)).

%% A world whose realm belongs to the first identity.
owned(Names) -> world(Names, #{trust => {fun cambrian_realm:ask/3, owned_realm()}}).
owned_realm() -> cambrian_realm:new(#{name => ?REALM, capability => {signed_by, owner(1)}}).

charter(Name, #world{nodes = Nodes}) ->
    maps:get(charter, cambrian_realm:report(cambrian_exchange:trust(maps:get(Name, Nodes)))).

publish_charter(Name, Charter, #world{now = Now, nodes = Nodes} = World) ->
    {Answer, Effects, X} = cambrian_exchange:amend(Charter, Now, maps:get(Name, Nodes)),
    {Answer, do_all(Name, Effects, World#world{nodes = Nodes#{Name := X}})}.

told_charters(World) ->
    [Name
     || {Name, {publish, Bytes}} <- did(publish, World),
     {charters, _} <- [cambrian_message:kind(Bytes)]].

a_charter_reaches_all_nodes_test() ->
    Charter = signed(1, [1], [1]),
    {ok, World} = publish_charter(<<"a">>, Charter, owned([<<"a">>, <<"b">>, <<"c">>])),
    ?assertEqual([Charter, Charter, Charter],
                 [charter(Name, World) || Name <- [<<"a">>, <<"b">>, <<"c">>]]),
    %% and a node that joins later, from any of the owners
    {ok, Changed} = publish_charter(<<"b">>, signed(2, [2], [1, 2]), World),
    {ok, Last} = publish_charter(<<"b">>, signed(3, [2], [2]), Changed),
    Joined =
        later(?MINUTE, add(<<"d">>, #{trust => {fun cambrian_realm:ask/3, owned_realm()}}, Last)),
    ?assertEqual([charter(<<"b">>, Last)],
                 lists:usort([charter(Name, Joined)
                              || Name <- [<<"a">>, <<"b">>, <<"c">>, <<"d">>]])),
    %% an older charter counts on no node
    ?assertMatch({{error, superseded}, _}, publish_charter(<<"c">>, Charter, Joined)),
    ?assertMatch({{error, not_permitted}, _},
                 publish_charter(<<"c">>, signed(9, [7], [7]), Joined)).

%% A node that missed a charter announces the version it knows, and gets the newer one.
after_a_partition_all_nodes_hold_the_newest_charter_test() ->
    Names = [<<"a">>, <<"b">>, <<"c">>],
    {ok, World} = publish_charter(<<"a">>, signed(1, [1], [1]), owned(Names)),
    Cut = World#world{cut = fun(From, To) -> (From =:= <<"c">>) =/= (To =:= <<"c">>) end},
    {ok, Apart} = publish_charter(<<"a">>, signed(2, [1], [1]), Cut),
    ?assertNotEqual(charter(<<"a">>, Apart), charter(<<"c">>, Apart)),
    Healed = later(40 * ?MINUTE, (later(10 * ?MINUTE, Apart))#world{cut = fun(_, _) -> false end}),
    ?assertEqual(1, length(lists:usort([charter(Name, Healed) || Name <- Names]))).

%% Nodes that agree do not repeat the charter, and a node that repeats an old charter gets answers
%% at Trickle's pace.
a_charter_is_sent_seldom_in_a_realm_that_agrees_test_() ->
    {timeout, 60, fun a_charter_is_sent_seldom_in_a_realm_that_agrees/0}.

a_charter_is_sent_seldom_in_a_realm_that_agrees() ->
    {ok, World} = publish_charter(<<"a">>, signed(1, [1], [1]), owned([<<"a">>, <<"b">>, <<"c">>])),
    Quiet = later(60 * ?MINUTE, World),
    %% in this hour 12 by the RFC, and about one more in each of its eleven intervals
    ?assert(length(told_charters(Quiet)) < 30, length(told_charters(Quiet))),
    {ok, Newer} = publish_charter(<<"a">>, signed(2, [1], [1]), Quiet),
    Old = cambrian_message:charters([signed(1, [1], [1])]),
    Before = later(1000, Newer),
    Flooded =
        lists:foldl(fun(_, W) -> later(100, call(<<"b">>, heard, [Old], W)) end, Before,
                    lists:seq(1, 600)),
    ?assert(length(told_charters(Flooded)) - length(told_charters(Before)) =< 3 * 60_000 div 4_000).

%% After a quiet hour a node repeats the charter seldom. After a flood of forged ones it does so at
%% once, so that a node with a newer one hears what this node has.
a_node_that_could_not_verify_all_charters_repeats_its_own_test() ->
    {ok, World} = publish_charter(<<"a">>, signed(1, [1], [1]), owned([<<"a">>])),
    Quiet = later(60 * ?MINUTE, World),
    Genuine = signed(2, [1], [1]),
    Size = byte_size(Genuine) - 1,
    <<Body:Size/binary, Last>> = Genuine,
    Forged = cambrian_message:charters([<<Body/binary, (Last bxor 1)>>]),
    Told = fun(Count) ->
               Heard = lists:foldl(fun(_, W) -> call(<<"a">>, heard, [Forged], W) end,
                                   Quiet#world{done = []}, lists:seq(1, Count)),
               length(told_charters(later(10_000, Heard)))
           end,
    ?assertEqual([0, 0], [Told(Count) || Count <- [0, 199]]),
    ?assert(Told(1000) > 0).

%% A charter that a user gave to the node's trust, not to its bridge.
a_charter_given_to_trust_is_sent_to_other_nodes_test() ->
    Charter = signed(1, [1], [1]),
    {ok, Said} = cambrian_charter:peek(Charter),
    {ok, Amended} = cambrian_realm:amend(Charter, Said, ?T0, owned_realm()),
    World =
        later(?MINUTE,
              add(<<"b">>, #{trust => {fun cambrian_realm:ask/3, Amended}}, owned([<<"a">>]))),
    ?assertEqual(Charter, charter(<<"a">>, World)).

%%% ---- successions ------------------------------------------------------------------------

%% A node applies its own succession too: an owner that rotates its key stays an owner.
an_owner_that_rotates_its_key_stays_an_owner_test() ->
    {#{key := New}, Told} = rotated(<<1>>, identity(<<1>>), owned([<<1>>, <<"b">>])),
    [?assertEqual(#{owners => [New], threshold => 1},
                  maps:get(owners, cambrian_realm:report(cambrian_exchange:trust(Node))))
     || Node <- maps:values(Told#world.nodes)].

a_new_succession_is_sent_every_ten_seconds_for_ten_minutes_test() ->
    Minutes = fun(Count, World) -> later(Count * ?MINUTE, World#world{done = []}) end,
    {First, A} = rotated(<<"a">>, identity(<<"a">>), world([<<"a">>])),
    ?assertMatch([6], told(First, Minutes(1, A))),
    %% an earlier succession of the same identity counts as new again after the next rotation
    {Second, B} = rotated(<<"a">>, First, Minutes(1, A)),
    ?assertEqual([60, 60], told(Second, Minutes(10, B))),
    Quiet = Minutes(2, Minutes(10, B)),
    ?assertEqual([0, 0], told(Second, Quiet)),
    {Third, C} = rotated(<<"a">>, Second, Quiet),
    ?assertEqual([0, 0, 54], told(Third, Minutes(9, C))),
    ?assertEqual([1, 1, 6], told(Third, Minutes(1, Minutes(9, C)))).

%% How often each succession of an identity was sent.
told(#{successions := Certificates}, World) ->
    All = [Bytes || {_, {publish, Bytes}} <- did(publish, World)],
    [length([Bytes || Bytes <- All, Bytes =:= Certificate]) || Certificate <- Certificates].

rotated(Name, Identity, #world{now = Now, nodes = Nodes} = World) ->
    {ok, Next} = cambrian_identity:rotate(Identity),
    {Effects, Renamed} = cambrian_exchange:renamed(Next, undefined, Now, maps:get(Name, Nodes)),
    {Next, do_all(Name, Effects, World#world{nodes = Nodes#{Name := Renamed}})}.
