%% The contract of every adapter of cambrian_transport. A suite runs these cases for each adapter,
%% with a map:
%%
%%   transport   the module
%%   start       fun(N) -> [Node]: so many nodes that can reach each other; Node is whatever the other funs take.
%%               Their code path has this module
%%   stop        fun([Node]) -> ok; some may be gone already
%%   kill        fun(Node) -> ok: ends it at once, without goodbye
%%   run         fun(Node, Module, Function, Arguments) -> its value, there
%%   options     fun(Node, Realm) -> what connect gets there
%%   corrupt     optional, fun(Node, Handle, Content) -> ok: what is held there by that name is something else now
%%   lossy       optional: a message may get lost now and then even where all is well
%%   vouches     optional: it knows from which address a call comes
%%   notices     optional: that a node is gone is known at once
%%   settle      optional, ms (default 300): what has not come after so long does not come
%%   patience    optional, ms (default 300000): what should come and has not after so long is a failure
%%
%% and `nodes', three that were started already. To add an adapter, see groups/0 of cambrian_transport_SUITE: a group of
%% all of all/0's cases, whose init_per_group makes such a map with contract/2.
-module(cambrian_transport_contract).
-include_lib("stdlib/include/assert.hrl").

-export([all/0, run/2]).
%% Called on the nodes:
-export([join/2, tell/2, answer/2, send_made/3, fetch_hash/4]).

all() ->
    [bytes_arrive_as_they_were, no_echo, no_more_after_unsubscribing, topics_are_apart, realms_do_not_meet,
     twice_is_once, two_of_one_node, an_owner_dies, calls_are_answered, who_calls, a_busy_handler, unknown_procedures, handlers_that_crash,
     calls_time_out, slow_handlers_hold_up_nobody, two_hundred_calls, no_more_than_fifty, nobody_is_called,
     whom_to_find, blobs, blobs_that_nobody_has, blobs_that_are_something_else, goodbye,
     a_node_is_gone, wrong_options].

%% Each case has a realm of its own.
run(Case, #{nodes := _} = Setup) ->
    {ok, _} = application:ensure_all_started(crypto),
    Realm = iolist_to_binary(["org.example.", atom_to_list(Case), $., binary:encode_hex(crypto:strong_rand_bytes(4))]),
    test(Case, Setup#{realm => Realm}).

%%% ---- on the nodes -----------------------------------------------------------------------

%% Starts a process that owns a connection and keeps its messages.
join(Transport, Options) ->
    Asker = self(),
    Owner = spawn(fun() ->
                      Connected = Transport:connect(Options),
                      Asker ! {self(), Connected},
                      keep([])
                  end),
    receive
        {Owner, {ok, Handle}} -> {ok, Owner, Handle};
        {Owner, Error} -> exit(Owner, kill), Error
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

do(#{node := Node, handle := Handle, setup := #{transport := Transport, run := Run}}, Function, Arguments) ->
    Run(Node, Transport, Function, [Handle | Arguments]).

heard(#{node := Node, owner := Owner, setup := #{run := Run}}) -> Run(Node, ?MODULE, tell, [Owner, heard]).

stop(#{node := Node, owner := Owner, setup := #{run := Run}}) -> ended = Run(Node, ?MODULE, tell, [Owner, stop]).

subscribed(N, Setup) ->
    Clients = clients(N, Setup),
    _ = [ok = do(Client, subscribe, [<<"topic">>]) || Client <- Clients],
    Clients.

serving(N, Setup) ->
    [First | _] = Clients = clients(N, Setup),
    ok = do(First, serve, [<<"answer">>, fun ?MODULE:answer/2]),
    Address = do(First, address, []),
    _ = [until(fun() -> ask(Address, <<"there?">>, Other) =:= {ok, <<"there?">>} end, Setup) || Other <- tl(Clients)],
    {Address, Clients}.

ask(Address, Bytes, Client) -> ask(Address, Bytes, 5000, Client).
ask(Address, Bytes, Timeout, Client) -> do(Client, call, [Address, <<"answer">>, Bytes, Timeout]).

%% Publishes again until all of these have heard it.
reach(From, Topic, Bytes, Others, Setup) ->
    until(fun() ->
              ok = do(From, publish, [Topic, Bytes]),
              soon(fun() -> lists:all(fun(Other) -> lists:member({Topic, Bytes}, heard(Other)) end, Others) end, 20)
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

test(bytes_arrive_as_they_were, Setup) ->
    [One | Others] = subscribed(3, Setup),
    Every = list_to_binary(lists:seq(0, 255)),
    Largest = crypto:strong_rand_bytes(cambrian_transport:max_message()),
    _ = [reach(One, <<"topic">>, Bytes, Others, Setup)
         || Bytes <- [<<>>, <<0>>, Every, <<"text">>, term_to_binary({a, "term"}), <<16#c1, 16#ff>>, Largest]],
    ?assertEqual({error, too_large}, do(One, publish, [<<"topic">>, <<Largest/binary, 0>>]));

test(no_echo, Setup) ->
    [One, Two] = subscribed(2, Setup),
    reach(One, <<"topic">>, <<"from one">>, [Two], Setup),
    reach(Two, <<"topic">>, <<"from two">>, [One], Setup),
    settle(Setup),
    ?assertEqual([{<<"topic">>, <<"from two">>}], lists:usort(heard(One))),
    ?assertEqual([{<<"topic">>, <<"from one">>}], lists:usort(heard(Two)));

test(no_more_after_unsubscribing, Setup) ->
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
    _ = [ok = do(Client, subscribe, [Topic]) || {Client, Topic} <- [{Two, <<"a">>}, {Two, <<"b">>}, {Three, <<"b">>}]],
    reach(One, <<"a">>, <<"1">>, [Two], Setup),
    reach(One, <<"b">>, <<"2">>, [Two, Three], Setup),
    ok = do(One, publish, [<<"c">>, <<"3">>]),
    settle(Setup),
    ?assertEqual([{<<"a">>, <<"1">>}, {<<"b">>, <<"2">>}], lists:usort(heard(Two))),
    ?assertEqual([{<<"b">>, <<"2">>}], lists:usort(heard(Three)));

test(realms_do_not_meet, #{nodes := [NodeOne, NodeTwo | _], realm := Realm} = Setup) ->
    Elsewhere = <<Realm/binary, ".elsewhere">>,
    [One, Two, Stranger] = [client(Node, R, Setup) || {Node, R} <- [{NodeOne, Realm}, {NodeTwo, Realm}, {NodeTwo, Elsewhere}]],
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

test(twice_is_once, Setup) ->
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
test(two_of_one_node, #{nodes := [Node | _], realm := Realm} = Setup) ->
    [One, Two] = [client(Node, Realm, Setup) || _ <- [1, 2]],
    _ = [ok = do(Client, subscribe, [<<"topic">>]) || Client <- [One, Two]],
    ?assertNotEqual(do(One, address, []), do(Two, address, [])),
    reach(One, <<"topic">>, <<"hello">>, [Two], Setup),
    settle(Setup),
    ?assertEqual([], heard(One)),
    ok = do(Two, serve, [<<"answer">>, fun ?MODULE:answer/2]),
    until(fun() -> {ok, <<"x">>} =:= ask(do(Two, address, []), <<"x">>, One) end, Setup);

%% The owner may exit with any reason.
test(an_owner_dies, #{nodes := [_, Node | _], realm := Realm, run := Run} = Setup) ->
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
test(who_calls, Setup) ->
    {Address, [One | Others]} = serving(3, Setup),
    _ = [begin
             Own = do(Client, address, []),
             {ok, Answer} = retried(fun() -> ask(Address, <<"who calls?">>, Client) end, Setup),
             ?assertEqual(case Setup of #{vouches := _} -> <<"at ", Own/binary>>; _ -> <<"nobody knows">> end, Answer)
         end || Client <- [One | Others]];

test(a_busy_handler, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    Ask = fun() -> ask(Address, <<"too much">>, 2000, Two) end,
    until(fun() -> Ask() =:= {error, busy} end, Setup),
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(unknown_procedures, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    ?assertMatch({error, _}, do(Two, call, [Address, <<"no such">>, <<"x">>, 2000])),
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(handlers_that_crash, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    _ = [?assertMatch({error, _}, ask(Address, Bytes, 2000, Two)) || Bytes <- [<<"crash">>, <<"no binary">>]],
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(calls_time_out, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    {Ms, Answer} = took(fun() -> ask(Address, <<"sleep 60000">>, 300, Two) end),
    ?assertEqual({error, timeout}, Answer),
    ?assert(Ms < 20_000),
    ?assertEqual({ok, <<"slept">>}, retried(fun() -> ask(Address, <<"sleep 20">>, Two) end, Setup));

test(slow_handlers_hold_up_nobody, Setup) ->
    {Address, [One, Two, Three]} = serving(3, Setup),
    ok = do(One, subscribe, [<<"topic">>]),
    reach(Two, <<"topic">>, <<"before">>, [One], Setup),
    Slow = fun() -> ask(Address, <<"sleep 6000">>, 30_000, Two) end,
    Others = fun() ->
                 timer:sleep(200),
                 took(fun() ->
                          _ = [{ok, <<"x">>} = retried(fun() -> ask(Address, <<"x">>, 500, Client) end, Setup) || Client <- [Two, Three]],
                          reach(Three, <<"topic">>, <<"meanwhile">>, [One], Setup)
                      end)
             end,
    [Slept, {Ms, _}] = at_once([Slow, Others]),
    ?assert(Ms < 5000),
    ?assert(Slept =:= {ok, <<"slept">>} orelse is_map_key(lossy, Setup));

%% Each call gets its own answer; a call that gets `busy' is repeated.
test(two_hundred_calls, Setup) ->
    {Address, [_, Two, Three]} = serving(3, Setup),
    Questions = [{lists:nth(1 + N rem 2, [Two, Three]), integer_to_binary(N)} || N <- lists:seq(1, 200)],
    Answers = at_once([fun() -> retried(fun() -> ask(Address, Bytes, Client) end, Setup) end || {Client, Bytes} <- Questions]),
    ?assertEqual([{ok, Bytes} || {_, Bytes} <- Questions], Answers);

test(no_more_than_fifty, Setup) ->
    {Address, [_, Two]} = serving(2, Setup),
    Answers = at_once(lists:duplicate(60, fun() -> ask(Address, <<"sleep 1500">>, 2500, Two) end)),
    Slept = length([ok || {ok, <<"slept">>} <- Answers]),
    ?assert(Slept >= 1 andalso Slept =< 50),
    ?assertEqual(60 - Slept, length([error || {error, _} <- Answers])),
    ?assertEqual({ok, <<"x">>}, retried(fun() -> ask(Address, <<"x">>, Two) end, Setup));

test(nobody_is_called, Setup) ->
    {Address, [One, Two]} = serving(2, Setup),
    ?assertMatch({error, _}, do(Two, call, [<<"no such address">>, <<"answer">>, <<"x">>, 2000])),
    ok = do(One, disconnect, []),
    settle(Setup),
    {Ms, Answer} = took(fun() -> ask(Address, <<"x">>, 20_000, Two) end),
    ?assertMatch({error, _}, Answer),
    ?assert(Ms < 5000);

%%% ---- whom to find -----------------------------------------------------------------------

test(whom_to_find, Setup) ->
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

test(blobs, #{transport := Transport, run := Run} = Setup) ->
    [#{node := Node, handle := Handle}, _, _] = Clients = clients(3, Setup),
    Make = fun(Size) -> Run(Node, ?MODULE, send_made, [Transport, Handle, Size]) end,
    _ = [begin
             {Content, First, Again} = Make(Size),
             ?assertEqual({{ok, Content}, {ok, Content}}, {First, Again}),
             _ = [until(fun() -> {ok, Size, Content} =:= Run(N, ?MODULE, fetch_hash, [Transport, H, Content, 10_000]) end, Setup)
                  || #{node := N, handle := H} <- Clients]
         end || Size <- [0, 1, 1000, 256 bsl 10, 5_000_000, cambrian_transport:max_blob()]],
    {_, TooLarge, _} = Make(cambrian_transport:max_blob() + 1),
    ?assertEqual({error, too_large}, TooLarge);

test(blobs_that_nobody_has, Setup) ->
    [One, _] = clients(2, Setup),
    {Ms, Answer} = took(fun() -> do(One, fetch, [crypto:hash(sha256, <<"nobody has this">>), 2000]) end),
    ?assertMatch({error, _}, Answer),
    ?assert(Ms < 5000);

test(blobs_that_are_something_else, #{corrupt := Corrupt} = Setup) ->
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
test(blobs_that_are_something_else, _) -> {skip, "no way to corrupt one"};

%%% ---- connect and disconnect --------------------------------------------------------------

test(goodbye, Setup) ->
    [One, Two, Three] = subscribed(3, Setup),
    reach(One, <<"topic">>, <<"met">>, [Two, Three], Setup),
    ?assertMatch(#{connected := true, peers := _}, do(One, status, [])),
    Knows = fun(Peers) -> fun() -> lists:member(maps:get(peers, do(One, status, [])), [Peers, unknown]) end end,
    until(Knows(2), Setup),
    ok = do(Two, disconnect, []),
    ok = do(Two, disconnect, []),
    until(Knows(1), Setup),
    ?assertMatch(#{connected := false}, do(Two, status, [])),
    _ = [?assertMatch({error, _}, do(Two, Function, Arguments))
         || {Function, Arguments} <- [{publish, [<<"topic">>, <<"x">>]}, {subscribe, [<<"topic">>]}, {announce, [<<"x">>]},
                                      {serve, [<<"x">>, fun ?MODULE:answer/2]}, {send, [<<"x">>]}]],
    Heard = heard(Two),
    reach(One, <<"topic">>, <<"without two">>, [Three], Setup),
    settle(Setup),
    %% the owner lives and got no message, not even an exit
    ?assertEqual(Heard, heard(Two));

%% The node is killed and does not disconnect. The other nodes go on.
test(a_node_is_gone, #{start := Start, stop := Stop, kill := Kill, realm := Realm} = Setup) ->
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
        Killing = fun() -> timer:sleep(300), ok = Kill(Gone), erlang:monotonic_time(millisecond) end,
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

test(wrong_options, #{nodes := [Node | _], realm := Realm, transport := Transport, run := Run, options := Options}) ->
    Connect = fun(Given) -> Run(Node, ?MODULE, join, [Transport, Given]) end,
    Good = Options(Node, Realm),
    ?assertMatch({error, {bad_option, {realm, lab, _}}}, Connect(Good#{realm => lab})),
    ?assertMatch({error, {unknown_option, relm, _}}, Connect(Good#{relm => <<"lab">>})),
    ?assertMatch({error, {missing_options, [realm]}}, Connect(maps:remove(realm, Good))).

%% Repeats a call where messages may get lost, or the handler is busy.
retried(Ask, Setup) ->
    retried(Ask, erlang:monotonic_time(millisecond) + maps:get(patience, Setup, 300_000), is_map_key(lossy, Setup)).

retried(Ask, Deadline, Lossy) ->
    Answer = Ask(),
    Again = Answer =:= {error, busy} orelse Lossy andalso element(1, Answer) =:= error,
    case Again andalso erlang:monotonic_time(millisecond) < Deadline of
        true -> timer:sleep(20), retried(Ask, Deadline, Lossy);
        false -> Answer
    end.
