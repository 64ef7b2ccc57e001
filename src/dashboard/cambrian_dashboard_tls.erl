%% @private Finds mistakes in options of `ssl' before the first handshake. For many mistakes `ssl'
%% itself says only that the connection is closed, and for some it logs the private key.
-module(cambrian_dashboard_tls).

-export([check/1, verdict/2]).

-type error() :: {bad_option, {ssl, What :: binary(), Expected :: binary()}}.

%% The usual options of servers. Another option goes to `ssl' unchecked, unless its name is almost
%% one of these.
-define(NAMES, [alpn_preferred_protocols, cacertfile, cacerts, cert, certfile, certs_keys,
                ciphers, depth, dhfile, eccs, fail_if_no_peer_cert, honor_cipher_order, key,
                keyfile, log_level, password, sni_fun, sni_hosts, supported_groups, verify,
                verify_fun, versions]).
%% Each of these options names the certificate, or makes a certificate needless.
-define(CERTIFICATES, [cert, certfile, certs_keys, sni_fun, sni_hosts, user_lookup_fun]).
-define(PRIVATE, ['PrivateKeyInfo', 'EncryptedPrivateKeyInfo', 'OneAsymmetricKey',
                  'RSAPrivateKey', 'DSAPrivateKey', 'ECPrivateKey']).

%% @doc Checks the names of options, and the files of certificates and keys. The application `ssl'
%% must run.
-spec check([term()]) -> ok | {error, error()}.
check(Options) ->
    Names = [Name || {Name, _} <- Options],
    case {[Pair || Name <- Names, not lists:member(Name, ?NAMES), Pair <- near_names(Name)],
          [Name || Name <- Names, lists:member(Name, ?CERTIFICATES)]} of
        {[{Name, Near} | _], _} ->
            bad_option(["the option ", printed(Name), " is unknown"],
                       ["options of ssl: did you mean ", atom_to_list(Near), "?"]);
        {[], []} ->
            bad_option("the option certfile is missing", "certfile and keyfile among them");
        {[], _} ->
            first_error([fun() -> check_pair(Pair) end || Pair <- [Options | pairs(Options)]])
    end.

near_names(Name) -> [{Name, Near} || Near <- cambrian_options:nearest(Name, ?NAMES)].

pairs(Options) ->
    [maps:to_list(Pair) || {certs_keys, Pairs} <- Options, is_list(Pairs),
                           Pair <- Pairs, is_map(Pair)].

%% Without a `keyfile', `ssl' looks for the key in the file of the certificate.
check_pair(Options) ->
    Key = proplists:get_value(keyfile, Options),
    case {proplists:get_value(certfile, Options), Key, proplists:is_defined(key, Options)} of
        {undefined, _, _} -> ok;
        {Certificate, _, true} -> check_certificate(Certificate);
        {Certificate, undefined, _} ->
            Missing = ["the option keyfile is missing, and certfile ", printed(Certificate),
                       " has no private key"],
            first_error([fun() -> check_certificate(Certificate) end,
                         fun() -> check_key(Certificate, Missing) end]);
        {Certificate, Key, _} ->
            Missing = ["keyfile ", printed(Key), " has no private key"],
            first_error([fun() -> check_certificate(Certificate) end,
                         fun() -> check_key(Key, Missing) end])
    end.

first_error([]) -> ok;
first_error([Check | Checks]) ->
    case Check() of
        ok -> first_error(Checks);
        Error -> Error
    end.

check_certificate(File) ->
    Expected = "a certificate in PEM as certfile",
    case entries(File) of
        {ok, Entries} ->
            case [Der || {'Certificate', Der, _} <- Entries, is_certificate(Der)] of
                [_ | _] -> ok;
                [] -> bad_option(["certfile ", printed(File), " has no certificate"], Expected)
            end;
        {error, Reason} ->
            bad_option(["certfile ", printed(File), ": ", file:format_error(Reason)], Expected)
    end.

check_key(File, Missing) ->
    Expected = "the certificate's private key in PEM as keyfile",
    case entries(File) of
        {ok, Entries} ->
            case lists:any(fun({Kind, _, _}) -> lists:member(Kind, ?PRIVATE) end, Entries) of
                true -> ok;
                false -> bad_option(Missing, Expected)
            end;
        {error, Reason} ->
            bad_option(["keyfile ", printed(File), ": ", file:format_error(Reason)], Expected)
    end.

entries(File) ->
    case file:read_file(File) of
        {ok, Pem} ->
            try {ok, public_key:pem_decode(Pem)}
            catch error:_ -> {ok, []}
            end;
        Error -> Error
    end.

is_certificate(Der) ->
    try public_key:pkix_decode_cert(Der, plain) of
        _ -> true
    catch error:_ -> false
    end.

%% @doc Decides from the results of server and client whether a handshake succeeded. Only the client
%% knows whether the key belongs to the certificate.
-spec verdict(Server :: ok | {failed, term()}, Client :: term()) -> ok | {error, error()}.
verdict(Server, Client) ->
    case {is_other_key(Client), Server} of
        {true, _} ->
            bad_option("the key is not that of the certificate",
                       "certfile, and its own private key as keyfile");
        {false, ok} -> ok;
        {false, {failed, Reason}} ->
            bad_option(printed(Reason), "options of ssl with which a handshake succeeds")
    end.

%% RFC 8446, section 4.4.3, demands a `decrypt_error' here; OTP 25 sends it for TLS 1.2 only.
is_other_key({tls_alert, {decrypt_error, _}}) -> true;
is_other_key({tls_alert, {_, Text}}) ->
    string:find(Text, "Failed to verify CertificateVerify") =/= nomatch;
is_other_key(_) -> false.

printed(Term) ->
    case io_lib:printable_unicode_list(Term) orelse is_binary(Term) of
        true -> Term;
        false -> io_lib:format("~0tP", [Term, 12])
    end.

bad_option(What, Expected) ->
    {error, {bad_option, {ssl, unicode:characters_to_binary(What),
                          unicode:characters_to_binary(Expected)}}}.
