%% The contract of every adapter of cambrian_transport. A suite runs these cases for each adapter,
%% with a map:
%%
%%   transport   the module of the adapter
%%   start       fun(N) -> [Node]: starts so many nodes that can reach each other. A node is any
%%               term that the other funs take. This module must be in its code path
%%   stop        fun([Node]) -> ok: some of the nodes may be gone already
%%   kill        fun(Node) -> ok: kills the node, which does not disconnect
%%   run         fun(Node, Module, Function, Arguments) -> the value of the call on that node
%%   options     fun(Node, Realm) -> the options of connect on that node
%%   corrupt     optional, fun(Node, Handle, Content) -> ok: replaces the blob that the node holds
%%               under that name
%%   lossy       optional: the transport may lose a message now and then
%%   vouches     optional: the transport knows the address of a caller
%%   notices     optional: the transport notices at once that a node is gone
%%   settle      optional, ms (default 300): a message that has not arrived after this time will not
%%   patience    optional, ms (default 300000): a message that must arrive and has not after this
%%               time is a failure
%%
%% and `nodes', three nodes that are started already. To add an adapter, see groups/0 of
%% cambrian_transport_SUITE: a group with the cases of all/0, whose init_per_group makes the map
%% with contract/2.
-module(cambrian_transport_contract).
-include_lib("stdlib/include/assert.hrl").

-export([all/0, run/2]).
%% Called on the nodes:
-export([join/2, tell/2, answer/2, send_made/3, fetch_hash/4]).

all() ->
    [bytes_arrive_unchanged, a_node_does_not_hear_its_own_messages,
     no_message_arrives_after_unsubscribing, topics_are_apart, realms_are_apart,
     subscribing_twice_delivers_once, two_connections_of_one_node_hear_each_other,
     a_connection_ends_with_its_owner, calls_are_answered,
     a_handler_learns_the_address_of_its_caller, a_busy_handler_is_an_error,
     calling_an_unknown_procedure_is_an_error, a_handler_that_crashes_is_an_error,
     calls_time_out, a_slow_handler_delays_no_other_call,
     two_hundred_calls_get_their_own_answers, at_most_fifty_handlers_run_at_once,
     calling_a_missing_address_is_an_error, announced_addresses_are_found,
     blobs_of_any_size_can_be_fetched, fetching_a_missing_blob_is_an_error,
     a_changed_blob_is_not_accepted, a_disconnected_client_hears_nothing,
     the_loss_of_a_node_harms_no_other, wrong_options_are_refused].

%% Each case has a realm of its own.
run(Case, #{nodes := _} = Setup) ->
    {ok, _} = application:ensure_all_started(crypto),
    Realm =
        iolist_to_binary(["org.example.", atom_to_list(Case), $.,
                          binary:encode_hex(crypto:strong_rand_bytes(4))]),
    test(Case, Setup#{realm => Realm}).

%%% ---- on the nodes -----------------------------------------------------------------------

%% Starts a process that owns a connection and keeps its messages.
join(Transport, Options) ->
    Asker = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
                           Connected = Transport:connect(Options),
                           Asker ! {self(), Connected},
                           keep([])
                       end),
    receive
        {Owner, Connected} ->
            demonitor(Monitor, [flush]),
            case Connected of
                {ok, Handle} -> {ok, Owner, Handle};
                Error -> exit(Owner, kill), Error
            end;
        {'DOWN', Monitor, process, Owner, Why} -> error({connect, Why})
    end.

keep(Heard) ->
    receive
        {tell, From, heard} -> From ! {self(), lists:reverse(Heard)}, keep(Heard);
        {tell, _, stop} -> ok;
        {cambrian_transport, Topic, Bytes} -> keep([{Topic, Bytes} | Heard]);
        Other -> keep([{unexpected, Other} | Heard])
    end.

tell(Owner, Order) ->
    Monitor = monitor(process, Owner),
    Owner ! {tell, self(), Order},
    receive
        {Owner, Answer} -> demonitor(Monitor, [flush]), Answer;
        {'DOWN', Monitor, _, _, _} -> ended
    end.

answer(<<"crash">>, _From) -> exit(on_purpose);
answer(<<"no binary">>, _From) -> 42;
answer(<<"too much">>, _From) -> busy;
answer(<<"who calls?">>, unknown) -> <<"nobody knows">>;
answer(<<"who calls?">>, From) -> <<"at ", From/binary>>;
answer(<<"sleep ", Ms/binary>>, _From) -> timer:sleep(binary_to_integer(Ms)), <<"slept">>;
answer(Bytes, _From) -> Bytes.

%% Blobs are made and hashed on their node, since a call to another node may be slow to carry
%% them.
send_made(Transport, Handle, Size) ->
    Blob = crypto:strong_rand_bytes(Size),
    {crypto:hash(sha256, Blob), Transport:send(Handle, Blob), Transport:send(Handle, Blob)}.

fetch_hash(Transport, Handle, Content, Timeout) ->
    case Transport:fetch(Handle, Content, Timeout) of
        {ok, Blob} -> {ok, byte_size(Blob), crypto:hash(sha256, Blob)};
        Error -> Error
    end.

%%% ---- on the node of the suite ------------------------------------------------------------

%% One client on each of the first so many nodes.
clients(N, #{nodes := Nodes, realm := Realm} = Setup) ->
    [client(Node, Realm, Setup) || Node <- lists:sublist(Nodes, N)].

client(Node, Realm, #{transport := Transport, run := Run, options := Options} = Setup) ->
    {ok, Owner, Handle} = Run(Node, ?MODULE, join, [Transport, Options(Node, Realm)]),
    #{node => Node, owner => Owner, handle => Handle, setup => Setup}.

do(#{node := Node, handle := Handle, setup := #{transport := Transport, run := Run}}, Function,
   Arguments) ->
    Run(Node, Transport, Function, [Handle | Arguments]).

heard(#{node := Node, owner := Owner, setup := #{run := Run}}) ->
    Run(Node, ?MODULE, tell, [Owner, heard]).

stop(#{node := Node, owner := Owner, setup := #{run := Run}}) ->
    ended = Run(Node, ?MODULE, tell, [Owner, stop]).

subscribed(N, Setup) ->
    Clients = clients(N, Setup),
    _ = [ok = do(Client, subscribe, [<<"topic">>]) || Client <- Clients],
    Clients.

serving(N, Setup) ->
    [First | _] = Clients = clients(N, Setup),
    ok = do(First, serve, [<<"answer">>, fun ?MODULE:answer/2]),
    Address = do(First, address, []),
    _ = [until(fun() -> ask(Address, <<"there?">>, Other) =:= {ok, <<"there?">>} end, Setup)
         || Other <- tl(Clients)],
    {Address, Clients}.

ask(Address, Bytes, Client) -> ask(Address, Bytes, 5000, Client).
ask(Address, Bytes, Timeout, Client) -> do(Client, call, [Address, <<"answer">>, Bytes, Timeout]).

%% Publishes again until all of these have heard it.
reach(From, Topic, Bytes, Others, Setup) ->
    until(fun() ->
              ok = do(From, publish, [Topic, Bytes]),
              soon(fun() ->
                  lists:all(fun(Other) -> lists:member({Topic, Bytes}, heard(Other)) end, Others)
              end, 20)
          end, Setup).

soon(_, 0) -> false;
soon(Probe, Tries) -> Probe() orelse begin timer:sleep(10), soon(Probe, Tries - 1) end.

until(Probe, #{patience := Ms}) -> cambrian_wait:until(Probe, Ms);
until(Probe, _) -> cambrian_wait:until(Probe).

settle(Setup) -> timer:sleep(maps:get(settle, Setup, 300)).

count(What, Client) -> length([Heard || Heard <- heard(Client), Heard =:= What]).

%% Runs all at the same time and returns their results in order.
at_once(Works) ->
    Asker = self(),
    Pids = [spawn_link(fun() -> Asker ! {self(), Work()} end) || Work <- Works],
    [receive {Pid, Answer} -> Answer end || Pid <- Pids].

took(Work) ->
    {Microseconds, Answer} = timer:tc(Work),
    {Microseconds div 1000, Answer}.

%%% ---- messages ---------------------------------------------------------------------------

test(bytes_arrive_unchanged, Setup) ->
    [One | Others] = subscribed(3, Setup),
    Every = list_to_binary(lists:seq(0, 255)),
    Largest = crypto:strong_rand_bytes(cambrian_transport:max_message()),
    _ = [reach(One, <<"topic">>, Bytes, Others, Setup)
         || Bytes <- [<<>>, <<0>>, Every, <<"text">>, term_to_binary({a, "term"}), <<16#c1, 16#ff>>,
                      Largest]],
    ?assertEqual({error, too_large}, do(One, publish, [<<"topic">>, <<Largest/binary, 0>>]));

test(a_node_does_not_hear_its_own_messages, Setup) ->
    [One, Two] = subscribed(2, Setup),
    reach(One, <<"topic">>, <<"from one">>, [Two], Setup),
    reach(Two, <<"topic">>, <<"from two">>, [One], Setup),
    settle(Setup),
    ?assertEqual([{<<"topic">>, <<"from two">>}], lists:usort(heard(One))),
    ?assertEqual([{<<"topic">>, <<"from one">>}], lists:usort(heard(Two)));

test(no_message_arrives_after_unsubscribing, Setup) ->
    [One, Two, Three] = subscribed(3, Setup),
    reach(One, <<"topic">>, <<"before">>, [Two, Three], Setup),
    ok = do(Two, unsubscribe, [<<"topic">>]),
    ok = do(Two, unsubscribe, [<<"never subscribed">>]),
    settle(Setup),
    reach(One, <<"topic">>, <<"after">>, [Three], Setup),
    settle(Setup),
    ?assertEqual(0, count({<<"topic">>, <<"after">>}, Two)),
    ok = do(Two, subscribe, [<<"topic">>]),
    reach(One, <<"topic">>, <<"again">>, [Two], Setup);

test(topics_are_apart, Setup) ->
    [One, Two, Three] = clients(3, Setup),
    _ = [ok = do(Client, subscribe, [Topic])
         || {Client, Topic} <- [{Two, <<"a">>}, {Two, <<"b">>}, {Three, <<"b">>}]],
    reach(One, <<"a">>, <<"1">>, [Two], Setup),
    reach(One, <<"b">>, <<"2">>, [Two, Three], Setup),
    ok = do(One, publish, [<<"c">>, <<"3">>]),
    settle(Setup),
    ?assertEqual([{<<"a">>, <<"1">>}, {<<"b">>, <<"2">>}], lists:usort(heard(Two))),
    ?assertEqual([{<<"b">>, <<"2">>}], lists:usort(heard(Three)));

test(realms_are_apart, #{nodes := [NodeOne, NodeTwo | _], realm := Realm} = Setup) ->
    Elsewhere = <<Realm/binary, ".elsewhere">>,
    [One, Two, Stranger] =
        [client(Node, R, Setup)
         || {Node, R} <- [{NodeOne, Realm}, {NodeTwo, Realm}, {NodeTwo, Elsewhere}]],
    _ = [ok = do(Client, subscribe, [<<"topic">>]) || Client <- [Two, Stranger]],
    ok = do(Stranger, serve, [<<"answer">>, fun ?MODULE:answer/2]),
    ok = do(Stranger, announce, [<<"key">>]),
    {ok, Content} = do(Stranger, send, [<<"a secret of ", Realm/binary>>]),
    reach(One, <<"topic">>, <<"hello">>, [Two], Setup),
    settle(Setup),
    ?assertEqual([], heard(Stranger)),
    ?assertMatch({error, _}, ask(do(Stranger, address, []), <<"hello">>, 1000, One)),
    ?assertEqual({ok, []}, do(One, find, [<<"key">>])),
    ?assertMatch({error, _}, do(One, fetch, [Content, 1000]));

test(subscribing_twice_delivers_once, Setup) ->
    [One, Two] = subscribed(2, Setup),
    ok = do(Two, subscribe, [<<"topic">>]),
    reach(One, <<"topic">>, <<"met">>, [Two], Setup),
    ok = do(One, publish, [<<"topic">>, <<"once">>]),
    settle(Setup),
    ?assert(count({<<"topic">>, <<"once">>}, Two) =< 1),
    ok = do(Two, unsubscribe, [<<"topic">>]),
    settle(Setup),
    ok = do(One, publish, [<<"topic">>, <<"gone">>]),
    settle(Setup),
    ?assertEqual(0, count({<<"topic">>, <<"gone">>}, Two));

%% Two connections on one node hear each other.
test(two_connections_of_one_node_hear_each_other, #{nodes := [Node | _], realm := Realm} = Setup) ->
    [One, Two] = [client(Node, Realm, Setup) || _ <- [1, 2]],
    _ = [ok = do(Client, subscribe, [<<"topic">>]) || Client <- [One, Two]],
    ?assertNotEqual(do(One, address, []), do(Two, address, [])),
    reach(One, <<"topic">>, <<"hello">>, [Two], Setup),
    settle(Setup),
    ?assertEqual([], heard(One)),
    ok = do(Two, serve, [<<"answer">>, fun ?MODULE:answer/2]),
    until(fun() -> {ok, <<"x">>} =:= ask(do(Two, address, []), <<"x">>, One) end, Setup);

%% The owner may exit with any reason.
test(a_connection_ends_with_its_owner,
     #{nodes := [_, Node | _], realm := Realm, run := Run} = Setup) ->
    [One] = clients(1, Setup),
    _ = [begin
             #{owner := Owner} = Two = client(Node, Realm, Setup),
             ok = do(Two, subscribe, [<<"topic">>]),
             ok = do(Two, serve, [<<"answer">>, fun ?MODULE:answer/2]),
             ok = do(Two, announce, [<<"key">>]),
             Address = do(Two, address, []),
             until(fun() -> {ok, <<"x">>} =:= ask(Address, <<"x">>, One) end, Setup),
             until(fun() -> {ok, [Address]} =:= do(One, find, [<<"key">>]) end, Setup),
             case How of normal -> stop(Two); _ -> true = Run(Node, erlang, exit, [Owner, How]) end,
             until(fun() -> not maps:get(connected, do(Two, status, [])) end, Setup),
             ?assertMatch({error, _}, do(Two, publish, [<<"topic">>, <<"late">>])),
             until(fun() -> {ok, []} =:= do(One, find, [<<"key">>]) end, Setup),
             ?assertMatch({error, _}, ask(Address, <<"x">>, 2000, One))
         end || How <- [normal, kill, crash]];

%%% ---- calls ------------------------------------------------------------------------------

test(calls_are_answered, Setup) ->
    {Address, [One | Others]} = serving(3, Setup),
    ?assert(byte_size(Address) =< 255),
    Largest = crypto:strong_rand_bytes(cambrian_transport:max_message()),
    Every = list_to_binary(lists:seq(0, 255)),
    _ = [?assertEqual({ok, Bytes}, retried(fun() -> ask(Address, Bytes, Client) end, Setup))
         || Client <- [One | Others], Bytes <- [<<>>, <<"hello">>, Every, Largest]],
    ?assertEqual({error, too_large}, ask(Address, <<Largest/binary, 0>>, hd(Others)));

%% A transport that does not know the caller's address passes none on, not even the one that the
%% caller claims.
test(a_handler_learns_the_address_of_its_caller, Setup) ->
    {Address, [One | Others]} = serving(3, Setup),
    _ = [begin
             Own = do(Client, address, []),
             {ok, Answer} = retried(fun() -> ask(Address, <<"who calls?">>, Client) end, Setup),
             ?assertEqual(case Setup of
                 #{vouches := _} -> <<"at ", Own/binary>>;
                 _ -> <<"nobody knows">>
             end, Answer)
         end || Client <- [One | Others]];

test(a_busy_handler_is_an_error, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    Ask = fun() -> ask(Address, <<"too much">>, 2000, Two) end,
    until(fun() -> Ask() =:= {error, busy} end, Setup),
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(calling_an_unknown_procedure_is_an_error, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    ?assertMatch({error, _}, do(Two, call, [Address, <<"no such">>, <<"x">>, 2000])),
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(a_handler_that_crashes_is_an_error, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    _ = [?assertMatch({error, _}, ask(Address, Bytes, 2000, Two))
         || Bytes <- [<<"crash">>, <<"no binary">>]],
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(calls_time_out, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    {Ms, Answer} = took(fun() -> ask(Address, <<"sleep 60000">>, 300, Two) end),
    ?assertEqual({error, timeout}, Answer),
    ?assert(Ms < 20_000),
    ?assertEqual({ok, <<"slept">>}, retried(fun() -> ask(Address, <<"sleep 20">>, Two) end, Setup));

test(a_slow_handler_delays_no_other_call, Setup) ->
    {Address, [One, Two, Three]} = serving(3, Setup),
    ok = do(One, subscribe, [<<"topic">>]),
    reach(Two, <<"topic">>, <<"before">>, [One], Setup),
    Slow = fun() -> ask(Address, <<"sleep 6000">>, 30_000, Two) end,
    Others = fun() ->
                 timer:sleep(200),
                 took(fun() ->
                          _ = [{ok, <<"x">>} =
                                   retried(fun() -> ask(Address, <<"x">>, 500, Client) end, Setup)
                               || Client <- [Two, Three]],
                          reach(Three, <<"topic">>, <<"meanwhile">>, [One], Setup)
                      end)
             end,
    [Slept, {Ms, _}] = at_once([Slow, Others]),
    ?assert(Ms < 5000),
    ?assert(Slept =:= {ok, <<"slept">>} orelse is_map_key(lossy, Setup));

%% Each call gets its own answer; a call that gets `busy' is repeated.
test(two_hundred_calls_get_their_own_answers, Setup) ->
    {Address, [_, Two, Three]} = serving(3, Setup),
    Questions =
        [{lists:nth(1 + N rem 2, [Two, Three]), integer_to_binary(N)} || N <- lists:seq(1, 200)],
    Answers =
        at_once([fun() -> retried(fun() -> ask(Address, Bytes, Client) end, Setup) end
                 || {Client, Bytes} <- Questions]),
    ?assertEqual([{ok, Bytes} || {_, Bytes} <- Questions], Answers);

test(at_most_fifty_handlers_run_at_once, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    Answers = at_once(lists:duplicate(60, fun() -> ask(Address, <<"sleep 1500">>, 2500, Two) end)),
    Slept = length([ok || {ok, <<"slept">>} <- Answers]),
    ?assert(Slept >= 1 andalso Slept =< 50),
    ?assertEqual(60 - Slept, length([error || {error, _} <- Answers])),
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(calling_a_missing_address_is_an_error, Setup) ->
    {Address, [One, Two]} = serving(2, Setup),
    ?assertMatch({error, _}, do(Two, call, [<<"no such address">>, <<"answer">>, <<"x">>, 2000])),
    ok = do(One, disconnect, []),
    settle(Setup),
    {Ms, Answer} = took(fun() -> ask(Address, <<"x">>, 20_000, Two) end),
    ?assertMatch({error, _}, Answer),
    ?assert(Ms < 5000);

%%% ---- find -----------------------------------------------------------------------

test(announced_addresses_are_found, Setup) ->
    [One, Two, Three] = clients(3, Setup),
    [A1, A2] = [begin
                    ok = do(Client, announce, [<<"key">>]),
                    ok = do(Client, announce, [<<"key">>]),
                    do(Client, address, [])
                end || Client <- [One, Two]],
    ok = do(One, announce, [<<0, 255>>]),
    Found = fun(Key) -> {ok, Addresses} = do(Three, find, [Key]), lists:sort(Addresses) end,
    until(fun() -> Found(<<"key">>) =:= lists:sort([A1, A2]) end, Setup),
    until(fun() -> Found(<<0, 255>>) =:= [A1] end, Setup),
    ?assertEqual([], Found(<<"no such key">>)),
    ok = do(One, disconnect, []),
    until(fun() -> Found(<<"key">>) =:= [A2] end, Setup),
    until(fun() -> Found(<<0, 255>>) =:= [] end, Setup);

%%% ---- blobs ------------------------------------------------------------------------------

test(blobs_of_any_size_can_be_fetched, #{transport := Transport, run := Run} = Setup) ->
    [#{node := Node, handle := Handle}, _, _] = Clients = clients(3, Setup),
    Make = fun(Size) -> Run(Node, ?MODULE, send_made, [Transport, Handle, Size]) end,
    _ = [begin
             {Content, First, Again} = Make(Size),
             ?assertEqual({{ok, Content}, {ok, Content}}, {First, Again}),
             _ = [until(fun() ->
                 {ok, Size, Content} =:= Run(N, ?MODULE, fetch_hash,
                                             [Transport, H, Content, 10_000]) end, Setup)
                  || #{node := N, handle := H} <- Clients]
         end || Size <- [0, 1, 1000, 256 bsl 10, 5_000_000, cambrian_transport:max_blob()]],
    {_, TooLarge, _} = Make(cambrian_transport:max_blob() + 1),
    ?assertEqual({error, too_large}, TooLarge);

test(fetching_a_missing_blob_is_an_error, Setup) ->
    [One, _] = clients(2, Setup),
    {Ms, Answer} =
        took(fun() -> do(One, fetch, [crypto:hash(sha256, <<"nobody has this">>), 2000]) end),
    ?assertMatch({error, _}, Answer),
    ?assert(Ms < 5000);

test(a_changed_blob_is_not_accepted, #{corrupt := Corrupt} = Setup) ->
    [#{node := Node, handle := Handle} = One, Two, Three] = clients(3, Setup),
    Blob = crypto:strong_rand_bytes(600_000),
    {ok, Content} = do(One, send, [Blob]),
    Fetch = fun() -> do(Two, fetch, [Content, 5000]) end,
    until(fun() -> {ok, Blob} =:= Fetch() end, Setup),
    ok = Corrupt(Node, Handle, Content),
    ?assertEqual(error, element(1, Fetch())),
    %% another node has the right blob
    {ok, Content} = do(Three, send, [Blob]),
    until(fun() -> {ok, Blob} =:= Fetch() end, Setup);
test(a_changed_blob_is_not_accepted, _) -> {skip, "no way to corrupt one"};

%%% ---- connect and disconnect --------------------------------------------------------------

test(a_disconnected_client_hears_nothing, Setup) ->
    [One, Two, Three] = subscribed(3, Setup),
    reach(One, <<"topic">>, <<"met">>, [Two, Three], Setup),
    ?assertMatch(#{connected := true, peers := _}, do(One, status, [])),
    Knows =
        fun(Peers) ->
            fun() -> lists:member(maps:get(peers, do(One, status, [])), [Peers, unknown]) end end,
    until(Knows(2), Setup),
    ok = do(Two, disconnect, []),
    ok = do(Two, disconnect, []),
    until(Knows(1), Setup),
    ?assertMatch(#{connected := false}, do(Two, status, [])),
    _ = [?assertMatch({error, _}, do(Two, Function, Arguments))
         || {Function, Arguments} <- [{publish, [<<"topic">>, <<"x">>]}, {subscribe, [<<"topic">>]},
                                      {announce, [<<"x">>]},
                                      {serve, [<<"x">>, fun ?MODULE:answer/2]}, {send, [<<"x">>]}]],
    Heard = heard(Two),
    reach(One, <<"topic">>, <<"without two">>, [Three], Setup),
    settle(Setup),
    %% the owner lives and got no message, not even an exit
    ?assertEqual(Heard, heard(Two));

%% The node is killed and does not disconnect. The other nodes go on.
test(the_loss_of_a_node_harms_no_other,
     #{start := Start, stop := Stop, kill := Kill, realm := Realm} = Setup) ->
    Nodes = [_, Gone, _] = Start(3),
    try
        [One, Two, Three] = subscribed(3, Setup#{nodes := Nodes, realm := Realm}),
        ok = do(Two, serve, [<<"answer">>, fun ?MODULE:answer/2]),
        Address = do(Two, address, []),
        reach(One, <<"topic">>, <<"before">>, [Two, Three], Setup),
        until(fun() -> {ok, <<"x">>} =:= ask(Address, <<"x">>, One) end, Setup),
        {ok, Content} = do(Two, send, [<<"what it had">>]),
        until(fun() -> {ok, <<"what it had">>} =:= do(Three, fetch, [Content, 2000]) end, Setup),
        %% a transport that does not notice it lets the call time out
        Patience = case Setup of #{notices := _} -> 30_000; _ -> 3000 end,
        Waiting = fun() -> took(fun() -> ask(Address, <<"sleep 60000">>, Patience, One) end) end,
        Killing =
            fun() -> timer:sleep(300), ok = Kill(Gone), erlang:monotonic_time(millisecond) end,
        [{Ms, Answer}, _] = at_once([Waiting, Killing]),
        ?assertMatch({error, _}, Answer),
        case Setup of
            #{notices := _} -> ?assert(Answer =:= {error, gone} andalso Ms < Patience);
            _ -> ?assert(Ms < 300_000)
        end,
        reach(One, <<"topic">>, <<"after">>, [Three], Setup),
        ?assertMatch({error, _}, ask(Address, <<"x">>, 2000, Three)),
        %% another node may have kept a copy
        ?assert(lists:member(element(1, do(One, fetch, [Content, 2000])), [ok, error]))
    after
        Stop(Nodes)
    end;

test(wrong_options_are_refused,
     #{nodes := [Node | _], realm := Realm, transport := Transport, run := Run,
       options := Options}) ->
    Connect = fun(Given) -> Run(Node, ?MODULE, join, [Transport, Given]) end,
    Good = Options(Node, Realm),
    ?assertMatch({error, {bad_option, {realm, lab, _}}}, Connect(Good#{realm => lab})),
    ?assertMatch({error, {unknown_option, relm, _}}, Connect(Good#{relm => <<"lab">>})),
    ?assertMatch({error, {missing_options, [realm]}}, Connect(maps:remove(realm, Good))).

%% Repeats a call where messages may get lost, or the handler is busy.
retried(Ask, Setup) ->
    retried(Ask, erlang:monotonic_time(millisecond) + maps:get(patience, Setup, 300_000),
            is_map_key(lossy, Setup)).

retried(Ask, Deadline, Lossy) ->
    Answer = Ask(),
    Again = Answer =:= {error, busy} orelse Lossy andalso element(1, Answer) =:= error,
    case Again andalso erlang:monotonic_time(millisecond) < Deadline of
        true -> timer:sleep(20), retried(Ask, Deadline, Lossy);
        false -> Answer
    end.
