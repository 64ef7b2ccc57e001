%% @private
%% What is wrong with options of `ssl', before a handshake is tried: `ssl' itself says of many mistakes only that the connection
%% is closed, and logs the private key with some.
-module(cambrian_dashboard_tls).

-export([check/1, verdict/2]).

-type error() :: {bad_option, {ssl, What :: binary(), Expected :: binary()}}.

%% Those that servers are given. Another one is left to `ssl', unless it is spelled almost like one of these.
-define(NAMES, [alpn_preferred_protocols, cacertfile, cacerts, cert, certfile, certs_keys, ciphers, depth, dhfile, eccs,
                fail_if_no_peer_cert, honor_cipher_order, key, keyfile, log_level, password, sni_fun, sni_hosts,
                supported_groups, verify, verify_fun, versions]).
%% One of these says which certificate is shown, or that none is.
-define(CERTIFICATES, [cert, certfile, certs_keys, sni_fun, sni_hosts, user_lookup_fun]).
-define(PRIVATE, ['PrivateKeyInfo', 'EncryptedPrivateKeyInfo', 'OneAsymmetricKey', 'RSAPrivateKey', 'DSAPrivateKey', 'ECPrivateKey']).

%% @doc Looks at the names, and into the files of certificates and keys. The application `ssl' must run.
-spec check([term()]) -> ok | {error, error()}.
check(Options) ->
    Names = [Name || {Name, _} <- Options],
    case {[Near || Name <- Names, not lists:member(Name, ?NAMES), Near <- meant(Name)],
          [Name || Name <- Names, lists:member(Name, ?CERTIFICATES)]} of
        {[{Name, Near} | _], _} ->
            wrong(["the option ", printed(Name), " is unknown"], ["options of ssl: did you mean ", atom_to_list(Near), "?"]);
        {[], []} -> wrong("the option certfile is missing", "certfile and keyfile among them");
        {[], _} -> first([fun() -> pair(Pair) end || Pair <- [Options | in_pairs(Options)]])
    end.

meant(Name) -> [{Name, Near} || Near <- cambrian_options:nearest(Name, ?NAMES)].

in_pairs(Options) -> [maps:to_list(Pair) || {certs_keys, Pairs} <- Options, is_list(Pairs), Pair <- Pairs, is_map(Pair)].

%% Without a `keyfile', `ssl' looks for the key in the file of the certificate.
pair(Options) ->
    case {proplists:get_value(certfile, Options), proplists:get_value(keyfile, Options), proplists:is_defined(key, Options)} of
        {undefined, _, _} -> ok;
        {Certificate, _, true} -> certificate(Certificate);
        {Certificate, undefined, _} ->
            Missing = ["the option keyfile is missing, and certfile ", printed(Certificate), " has no private key"],
            first([fun() -> certificate(Certificate) end,
                   fun() -> key(Certificate, Missing) end]);
        {Certificate, Key, _} ->
            first([fun() -> certificate(Certificate) end,
                   fun() -> key(Key, ["keyfile ", printed(Key), " has no private key"]) end])
    end.

first([]) -> ok;
first([Check | Checks]) ->
    case Check() of
        ok -> first(Checks);
        Error -> Error
    end.

certificate(File) ->
    Expected = "a certificate in PEM as certfile",
    case entries(File) of
        {ok, Entries} ->
            case [Der || {'Certificate', Der, _} <- Entries, is_certificate(Der)] of
                [_ | _] -> ok;
                [] -> wrong(["certfile ", printed(File), " has no certificate"], Expected)
            end;
        {error, Reason} -> wrong(["certfile ", printed(File), ": ", file:format_error(Reason)], Expected)
    end.

key(File, None) ->
    Expected = "the certificate's private key in PEM as keyfile",
    case entries(File) of
        {ok, Entries} ->
            case lists:any(fun({Kind, _, _}) -> lists:member(Kind, ?PRIVATE) end, Entries) of
                true -> ok;
                false -> wrong(None, Expected)
            end;
        {error, Reason} -> wrong(["keyfile ", printed(File), ": ", file:format_error(Reason)], Expected)
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

%% @doc What came of a handshake: of the server, and of the client that tried it, which alone knows whether the key is the
%% certificate's.
-spec verdict(Server :: ok | {failed, term()}, Client :: term()) -> ok | {error, error()}.
verdict(Server, Client) ->
    case {is_other_key(Client), Server} of
        {true, _} -> wrong("the key is not that of the certificate", "certfile, and its own private key as keyfile");
        {false, ok} -> ok;
        {false, {failed, Reason}} -> wrong(printed(Reason), "options of ssl with which a handshake succeeds")
    end.

%% RFC 8446, 4.4.3, has a `decrypt_error' here; OTP 25 sends it for TLS 1.2 only.
is_other_key({tls_alert, {decrypt_error, _}}) -> true;
is_other_key({tls_alert, {_, Text}}) -> string:find(Text, "Failed to verify CertificateVerify") =/= nomatch;
is_other_key(_) -> false.

printed(Term) ->
    case io_lib:printable_unicode_list(Term) orelse is_binary(Term) of
        true -> Term;
        false -> io_lib:format("~0tP", [Term, 12])
    end.

wrong(What, Expected) ->
    {error, {bad_option, {ssl, unicode:characters_to_binary(What), unicode:characters_to_binary(Expected)}}}.
