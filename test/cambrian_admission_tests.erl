%% Checks of an envelope and of a record: each asks a realm, here a value, with a time that the
%% test sets.
-module(cambrian_admission_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_envelopes, [secret/1, key/1, sealed/2, forged/1, rubbish/2]).

-define(REALM, <<"org.example.test">>).
-define(NOW, 1_800_000_000_000).

realm(Options) -> cambrian_realm:new(Options#{name => ?REALM}).

none(_) -> error.

%% The answer, the names of the questions, and the realm after them.
envelope(Bytes, Realm) -> envelope(Bytes, fun none/1, Realm).
envelope(Bytes, BaseOf, Realm) ->
    short(cambrian_admission:envelope(Bytes, BaseOf, fun ask/2, {?NOW, [], Realm})).

record(Bytes, Realm) -> short(cambrian_admission:record(Bytes, fun ask/2, {?NOW, [], Realm})).

ask(Request, {Now, Asked, Realm}) ->
    {Answer, Next} = cambrian_realm:ask(Request, Now, Realm),
    {Answer, {Now, [element(1, Request) | Asked], Next}}.

short({Answer, {_, Asked, Realm}}) ->
    {case Answer of {error, Reason} -> Reason; _ -> ok end, lists:reverse(Asked), Realm}.

%% An envelope that the Nth key signed at the virtual time.
now(N, Changes) -> at(?NOW, N, Changes).

at(Now, N, Changes) -> sealed(N, maps:merge(#{time => Now}, Changes)).

record_of(Bytes) ->
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    cambrian_envelope:record(Envelope).

an_envelope_asks_the_realm_in_order_test() ->
    Asks =
        fun(Bytes, Options) -> {Answer, Asked, _} = envelope(Bytes, realm(Options)), {Answer, Asked}
        end,
    Good = now(1, #{sequence => 1}),
    ?assertEqual({ok, [admit, genuine]}, Asks(Good, #{})),
    ?assertEqual({malformed, [refused]}, Asks(<<"rubbish">>, #{})),
    ?assertEqual({malformed, [refused]}, Asks(no_bytes, #{})),
    ?assertEqual({bad_signature, [admit, refused]}, Asks(forged(Good), #{})),
    ?assertEqual({too_old, [admit]}, Asks(now(1, #{time => 0}), #{})),
    ?assertEqual({wrong_realm, [admit]}, Asks(now(1, #{realm => <<"else">>}), #{})),
    ?assertEqual({not_permitted, [admit]}, Asks(Good, #{capability => {keys, [key(2)]}})).

the_check_of_an_envelope_returns_its_record_test() ->
    Bytes = now(1, #{sequence => 1}),
    Record = record_of(Bytes),
    ?assertMatch({{ok, _, #{origin := _}, Record}, _},
                 cambrian_admission:envelope(Bytes, fun none/1, fun ask/2, {?NOW, [], realm(#{})})).

a_replayed_bad_payload_costs_reputation_once_test() ->
    Bytes = rubbish(1, #{sequence => 1, time => ?NOW}),
    {bad_compression, [admit, cheated], Once} = envelope(Bytes, realm(#{})),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Once)),
    {replay, [admit], Twice} = envelope(Bytes, Once),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Twice)).

%% A node that delivers one bad payload many times does not lower its origin's reputation more
%% than once.
a_bad_payload_that_other_nodes_deliver_costs_its_origin_once_test() ->
    Delivered = fun(Sequence, Realm) ->
                    Claims = #{origin => key(1), sequence => Sequence},
                    {{error, malformed}, Next} =
                        cambrian_realm:ask({rubbish, malformed, Claims}, ?NOW, Realm),
                    Next
                end,
    Known = element(3, envelope(now(1, #{sequence => 3}), realm(#{}))),
    Once = Delivered(7, Known),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Once)),
    Again = lists:foldl(Delivered, Once, [7, 7, 6, 1]),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Again)),
    {ok, Restored} = cambrian_realm:restore(cambrian_realm:save(Again)),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Delivered(7, Restored))),
    ?assertEqual(0.125, cambrian_realm:reputation(key(1), Delivered(8, Restored))),
    %% An envelope with that payload costs its origin nothing more when another node delivers it
    {_, _, Cheated} = envelope(rubbish(1, #{sequence => 9, time => ?NOW}), Restored),
    ?assertEqual(0.125, cambrian_realm:reputation(key(1), Delivered(9, Cheated))).

%% The bytes of schema 2 have a hash of their own, but the genotype in them has its usual id.
a_ban_holds_for_the_bytes_of_an_earlier_schema_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Bytes = cambrian_earlier:schema_2(G),
    {Id, Signed} = {cambrian_genotype:id(G), crypto:hash(sha256, Bytes)},
    Envelope =
        cambrian_earlier:envelope(Bytes,
                                  #{realm => ?REALM, task => <<"xor">>, fitness => 1.0,
                                    sequence => 1, time => ?NOW}, secret(1)),
    ?assertMatch({ok, _, #{genotype := Signed}}, cambrian_envelope:read(Envelope)),
    ?assertMatch({{ok, _, #{genotype := Id}, _}, _},
                 cambrian_admission:envelope(Envelope, fun none/1, fun ask/2,
                                             {?NOW, [], realm(#{})})),
    [begin
         {ok, Banned} = cambrian_realm:ban({genotype, Of}, <<>>, ?NOW, realm(#{})),
         ?assertMatch({banned_genotype, _, _}, envelope(Envelope, Banned))
     end || Of <- [Id, Signed]].

a_grant_is_checked_once_test() ->
    Realm = realm(#{capability => {signed_by, key(9)}}),
    {ok, Grant} = cambrian_nif:identity_grant(secret(9), ?REALM, key(1), {?NOW, ?NOW + 1000}),
    {ok, [admit, admit, genuine], Known} = envelope(now(1, #{grant => Grant}), Realm),
    ?assertMatch({ok, [admit, genuine], _}, envelope(now(1, #{sequence => 2}), Known)),
    ?assertMatch({not_permitted, [admit, refused], _},
                 envelope(now(1, #{grant => <<"leave">>}), Realm)),
    ?assertMatch({ok, [admit, admit, genuine], _},
                 record(record_of(now(1, #{grant => Grant})), Realm)).

a_difference_is_opened_with_its_base_test() ->
    {ok, Grown} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7),
    {ok, Target} = cambrian_genotype:mutate(Grown, add_node, 1),
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => <<"xor">>, fitness => 1.0,
                                 generation => 0,
                                 sequence => 1,
                                 time => ?NOW}, Target, Grown, secret(1)),
    Id = cambrian_genotype:id(Grown),
    ?assertMatch({{missing_base, Id}, [admit, refused], _}, envelope(Bytes, realm(#{}))),
    ?assertMatch({ok, [admit, genuine], _},
                 envelope(Bytes, fun(Base) when Base =:= Id -> {ok, Grown} end, realm(#{}))).

%% The realm answers a record as it answers an envelope: the record counts in its origin's rate.
a_record_passes_the_same_checks_as_an_envelope_test() ->
    Record = record_of(now(1, #{sequence => 3})),
    {ok, [admit, genuine], Known} = record(Record, realm(#{})),
    {replay, [admit], _} = record(Record, Known),
    {replay, [admit], _} = envelope(now(1, #{sequence => 3}), Known),
    {ok, [admit, genuine], _} = record(record_of(now(1, #{sequence => 4})), Known),
    Size = byte_size(Record) - 1,
    <<Said:Size/binary, Last>> = Record,
    {bad_signature, [admit, refused], Same} = record(<<Said/binary, (Last bxor 1)>>, realm(#{})),
    ?assertMatch(#{origins := Origins} when Origins =:= #{}, cambrian_realm:report(Same)),
    {malformed, [refused], _} = record(Said, realm(#{})),
    {malformed, [refused], _} = record(no_bytes, realm(#{})),
    {malformed, [refused], _} = record(now(1, #{}), realm(#{})).

the_trust_server_answers_as_the_realm_value_does_test_() ->
    {timeout, 60, fun() ->
        cambrian_temporary:with_data_dir(fun(_) ->
            Now = erlang:system_time(millisecond),
            ok = cambrian_trust:open(?REALM, #{}),
            Messages = messages(Now),
            {Answers, Value} = lists:mapfoldl(
                fun(Message, Realm) ->
                    {Answer, {_, _, Next}} = by_value(Message, {Now, [], Realm}),
                    {Answer, Next}
                end, realm(#{}), Messages),
            ?assertEqual([told(Answer) || Answer <- Answers],
                         [told(by_server(Message)) || Message <- Messages]),
            #{refused := Refused, origins := Origins} = cambrian_trust:report(?REALM),
            ?assertMatch(#{refused := Refused}, cambrian_realm:report(Value)),
            ?assertEqual(counts(Origins), counts(maps:get(origins, cambrian_realm:report(Value))))
        end)
    end}.

messages(Now) ->
    Of = fun(N, Changes) -> at(Now, N, Changes) end,
    Good = Of(1, #{sequence => 1}),
    [{envelope, Good}, {envelope, Good}, {envelope, forged(Of(1, #{sequence => 2}))},
     {envelope, <<>>}, {record, <<>>},
     {record, record_of(Of(2, #{sequence => 1}))}, {envelope, Of(2, #{sequence => 1})},
     {record, record_of(Of(2, #{sequence => 2}))},
     {envelope, rubbish(3, #{sequence => 1, time => Now})},
     {envelope, rubbish(3, #{sequence => 2, time => Now})},
     {record, record_of(rubbish(3, #{sequence => 3, time => Now}))},
     {envelope, Of(3, #{realm => <<"else">>})},
     {envelope, Of(4, #{time => 0})}].

by_value({envelope, Bytes}, State) ->
    cambrian_admission:envelope(Bytes, fun none/1, fun ask/2, State);
by_value({record, Bytes}, State) -> cambrian_admission:record(Bytes, fun ask/2, State).

by_server({envelope, Bytes}) -> cambrian_trust:check(?REALM, Bytes);
by_server({record, Bytes}) -> cambrian_trust:check_record(?REALM, Bytes).

told({ok, Genotype, Claims, _Record}) -> told({ok, Genotype, Claims});
told({ok, Genotype, Claims}) -> {ok, cambrian_genotype:id(Genotype), Claims};
told(Other) -> Other.

counts(Origins) ->
    maps:map(fun(_, Standing) -> maps:with([received, lies, reputation, sequence], Standing) end,
             Origins).
