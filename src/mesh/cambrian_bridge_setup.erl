%% @private
%% Prepares a bridge before it starts: its identity, the grant in its envelopes, its realm, and its
%% connection behind a gate.
-module(cambrian_bridge_setup).

-export([prepare/1, grant/2, exchange_options/4]).
-export_type([prepared/0]).

%% `home' is the file of the identity, if there is one.
-type prepared() :: #{identity := cambrian_identity:identity(),
                      home := none | {ok, cambrian_file:path()}, room := cambrian_gate:room(),
                      gate := pid(), connection := term()}.

%% @doc Opens the realm and connects, as far as the options allow.
-spec prepare(map()) -> {ok, prepared()} | {error, term()}.
prepare(Options) ->
    case identity(Options) of
        {ok, Identity, Home} ->
            case check_grant(Identity, Options) of
                ok -> open_realm(Options, #{identity => Identity, home => Home});
                Error -> Error
            end;
        Error -> Error
    end.

identity(#{identity := Fun}) when is_function(Fun) ->
    case Fun() of
        <<_:32/binary>> = Secret -> {ok, cambrian_identity:from_secret(Secret), none};
        _ -> {error, {bad_option, {identity, Fun, <<"a fun that gives 32 bytes">>}}}
    end;
identity(#{identity := Path}) -> identity_in({ok, Path});
identity(_) -> identity_in(cambrian_data_dir:path([<<"identity">>])).

identity_in(none) -> {ok, cambrian_identity:from_secret(cambrian_identity:new()), none};
identity_in({ok, Path} = Home) ->
    case cambrian_identity:load_or_new(Path) of
        {ok, Identity} -> {ok, Identity, Home};
        Error -> Error
    end;
identity_in(Error) -> Error.

%% The grant must be for the key of this node, or for one of its predecessors: other nodes that know
%% the succession accept such a grant for the heir.
check_grant(#{key := Key, successions := Chain}, #{grant := Bytes}) ->
    {ok, #{key := Of}} = cambrian_identity:peek_grant(Bytes),
    Succeeded = [Old || Certificate <- Chain,
                        {ok, #{old := Old}} <- [cambrian_identity:peek_succession(Certificate)]],
    case lists:member(Of, [Key | Succeeded]) of
        true -> ok;
        false ->
            Expected = ["a grant for the key of this node, ", cambrian_text:hex(Key),
                        "; this one is for ", cambrian_text:hex(Of)],
            {error, {bad_option, {grant, Bytes, iolist_to_binary(Expected)}}}
    end;
check_grant(_Identity, _NoGrant) -> ok.

open_realm(#{realm := Realm} = Options, Prepared) ->
    case cambrian_trust:open(Realm, maps:with([capability, rate, tolerance], Options)) of
        ok -> connect(Options, Prepared);
        %% the bridge takes nothing in until a user resets the realm, and its status says so
        {error, {realm_damaged, _}} -> connect(Options, Prepared);
        Error -> Error
    end.

connect(#{realm := Realm, transport := Transport, transport_options := Given}, Prepared) ->
    #{identity := #{secret := Secret}} = Prepared,
    case code:ensure_loaded(Transport) of
        {module, _} ->
            Room = cambrian_gate:room(),
            WithIdentity = Given#{realm => Realm, identity => Secret},
            case cambrian_gate:start_link(Realm, Room, Transport, WithIdentity) of
                {ok, Gate, Connection} ->
                    {ok, Prepared#{room => Room, gate => Gate, connection => Connection}};
                Error -> Error
            end;
        {error, _} -> {error, {transport_unavailable, Transport}}
    end.

%% @doc The permission in the envelopes of this identity: the user's grant or, if the capability is
%% work, a stamp. A node that requires work of others does the same work.
-spec grant(Options :: map(), cambrian_identity:identity()) -> undefined | binary().
grant(#{grant := Grant}, _Identity) -> Grant;
grant(#{realm := Realm}, #{key := Key}) ->
    case cambrian_trust:report(Realm) of
        #{capability := {work, Bits}} -> cambrian_proof_of_work:find(Bits, Realm, Key);
        _ -> undefined
    end.

%% @doc The options of the exchange, with the present time and the node's clock.
-spec exchange_options(Options :: map(), cambrian_identity:identity(), Address :: binary(),
                       {Now :: integer(), Clock :: integer()}) -> cambrian_exchange:options().
exchange_options(#{realm := Realm} = Options, Identity, Address, {Now, Clock}) ->
    #{publish := Publish, publish_best_fitness_threshold := Threshold, publish_interval := Interval,
      budget := Budget, evaluation_share := Share, migration_policy := Policy,
      migration_interval := MigrationInterval, topology := Topology,
      common_archive := Archive} = Options,
    Ask = fun(Request, _Now, Name) -> {cambrian_trust:ask(Name, Request), Name} end,
    #{realm => Realm, identity => Identity, address => Address, trust => {Ask, Realm},
      seed => binary:decode_unsigned(crypto:strong_rand_bytes(7)), now => Now, clock => Clock,
      sequence => cambrian_trust:ask(Realm, {sequence, os:system_time(microsecond)}),
      publish => Publish, threshold => Threshold, interval => Interval, budget => Budget,
      share => Share, policy => Policy, migration_interval => MigrationInterval,
      topology => Topology, common_archive => Archive}.
