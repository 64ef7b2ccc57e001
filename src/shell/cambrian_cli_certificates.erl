%% @private
%% Certificates for Erlang distribution over TLS: an authority of one's own, and one certificate for each node. OpenSSL
%% makes them, as OTP has no interface for that but for tests.
%%
%% In the directory are `ca.pem' and `ca.key', and for each node a folder of its name, which is all that its machine gets.
-module(cambrian_cli_certificates).

-export([make/1]).
-export_type([order/0]).

%% `at' is where the node's folder will be on its machine; `days' for how long its certificate is good.
-type order() :: #{node := string(), out := file:filename_all(), at => string(), days => integer()}.

-define(CA_DAYS, 3650).
-define(DAYS, 365).
-define(COMMAND_MS, 60_000).

%% @doc The folder of the node. A certificate that is there already is replaced; the authority stays.
-spec make(order()) -> {ok, Folder :: binary()} | {error, Line :: unicode:chardata()}.
make(#{node := Node, out := Out} = Order) ->
    case {os:find_executable("openssl"), host(Node)} of
        {false, _} -> {error, "openssl: expected on the PATH"};
        {_, none} -> {error, [Node, ": expected a node's name as opabinia@10.0.0.7 or opabinia@lab.example.org"]};
        {OpenSsl, {ok, Host}} ->
            Dir = filename:absname(unicode:characters_to_binary(Out)),
            try
                ok = private_dir(Dir),
                ok = authority(OpenSsl, Dir),
                {ok, node(OpenSsl, Dir, Host, Order)}
            catch throw:{failed, Line} -> {error, Line}
            end
    end.

%% What stands in the certificate: by this name the others call it. Distribution looks for an address among the names of DNS.
host(Node) ->
    case re:run(Node, "^[A-Za-z0-9_-]{1,100}@([A-Za-z0-9.:-]{1,150})$", [dollar_endonly, {capture, all_but_first, list}]) of
        {match, [Host]} ->
            case inet:parse_strict_address(Host) of
                {ok, _} -> {ok, ["IP:", Host, ", DNS:", Host]};
                {error, einval} -> {ok, ["DNS:", Host]}
            end;
        nomatch -> none
    end.

authority(OpenSsl, Dir) ->
    [Certificate, Key, Config] = [filename:join(Dir, Name) || Name <- [<<"ca.pem">>, <<"ca.key">>, <<"ca.cnf">>]],
    case {filelib:is_regular(Certificate), filelib:is_regular(Key)} of
        {true, true} ->
            Public = said(OpenSsl, ["x509", "-in", Certificate, "-noout", "-pubkey"], [Certificate, ": expected a certificate in PEM"]),
            case said(OpenSsl, ["pkey", "-in", Key, "-pubout"], [Key, ": expected a private key in PEM"]) of
                Public -> ok;
                _ -> throw({failed, [Key, ": expected the private key of the certificate ", Certificate]})
            end;
        {false, false} ->
            write(Config, ["[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = ca\n"
                           "[name]\nCN = Cambrian ", random(8), "\n"
                           "[ca]\nbasicConstraints = critical, CA:true, pathlen:0\nkeyUsage = critical, keyCertSign, cRLSign\n"
                           "subjectKeyIdentifier = hash\n"]),
            New = <<Certificate/binary, ".new">>,
            key(OpenSsl, Key),
            run(OpenSsl, ["req", "-x509", "-new", "-sha256", "-days", integer_to_list(?CA_DAYS), "-config", Config, "-key", Key, "-out", New]),
            ok = file:rename(New, Certificate),
            file:delete(Config);
        _ -> throw({failed, [Dir, ": has one of ca.pem and ca.key and lacks the other"]})
    end.

%% Made beside and then put in place, so that a node never has the key of one and the certificate of another.
node(OpenSsl, Dir, Host, #{node := Name} = Order) ->
    Folder = filename:join(Dir, Name),
    New = <<Folder/binary, ".new">>,
    _ = file:del_dir_r(New),
    ok = private_dir(New),
    [Config, Request, Key, Certificate] = [filename:join(New, File) || File <- ["cnf", "request", "key.pem", "cert.pem"]],
    write(Config, ["[req]\nprompt = no\ndistinguished_name = name\n"
                   "[name]\nCN = ", lists:sublist(Name, 64), "\n"
                   "[node]\nbasicConstraints = critical, CA:false\nkeyUsage = critical, digitalSignature\n"
                   "extendedKeyUsage = serverAuth, clientAuth\nsubjectAltName = ", Host, "\n"
                   "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"]),
    key(OpenSsl, Key),
    run(OpenSsl, ["req", "-new", "-sha256", "-config", Config, "-key", Key, "-out", Request]),
    run(OpenSsl, ["x509", "-req", "-sha256", "-in", Request, "-CA", filename:join(Dir, "ca.pem"), "-CAkey", filename:join(Dir, "ca.key"),
                  "-set_serial", ["0x", random(16)], "-days", integer_to_list(maps:get(days, Order, ?DAYS)),
                  "-extfile", Config, "-extensions", "node", "-out", Certificate]),
    {ok, _} = file:copy(filename:join(Dir, "ca.pem"), filename:join(New, "ca.pem")),
    write(filename:join(New, "ssl_dist.conf"), conf(maps:get(at, Order, Folder))),
    [ok = file:delete(Path) || Path <- [Config, Request]],
    _ = file:del_dir_r(Folder),
    ok = file:rename(New, Folder),
    Folder.

%% Both sides show a certificate, and both look whether the other's is of this authority; who calls looks whether it is of
%% the host that was called as well.
conf(At) ->
    Path = fun(File) -> unicode:characters_to_list(filename:join(unicode:characters_to_binary(At), File)) end,
    Both = [{cacertfile, Path("ca.pem")}, {certfile, Path("cert.pem")}, {keyfile, Path("key.pem")}, {verify, verify_peer}, {depth, 1}],
    ["%% -proto_dist inet_tls -ssl_dist_optfile ", Path("ssl_dist.conf"), $\n,
     io_lib:format("~tp.~n", [[{server, Both ++ [{fail_if_no_peer_cert, true}]}, {client, Both}]])].

key(OpenSsl, Path) ->
    write(Path, ""),
    run(OpenSsl, ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", Path]).

random(Bytes) ->
    %% a serial number is positive and has no leading zero
    <<First, Rest/binary>> = crypto:strong_rand_bytes(Bytes),
    binary_to_list(binary:encode_hex(<<(First band 16#3f bor 16#40), Rest/binary>>)).

%%% ---- files and commands -----------------------------------------------------------------

private_dir(Dir) ->
    must(filelib:ensure_dir(filename:join(Dir, "x")), Dir),
    must(file:change_mode(Dir, 8#700), Dir).

%% For nobody else, before there is anything in it.
write(Path, Text) ->
    must(file:write_file(Path, ""), Path),
    must(file:change_mode(Path, 8#600), Path),
    must(file:write_file(Path, unicode:characters_to_binary(Text)), Path).

must(ok, _Path) -> ok;
must({error, Reason}, Path) -> throw({failed, [Path, ": ", file:format_error(Reason)]}).

run(OpenSsl, Args) ->
    case openssl(OpenSsl, Args) of
        {0, _} -> ok;
        {Status, Said} -> throw({failed, [["openssl ", hd(Args), ": status ", integer_to_list(Status), ": "], string:trim(Said)]})
    end.

%% Of a file that somebody gave, what is wrong is said by us: OpenSSL needs four lines.
said(OpenSsl, Args, Expected) ->
    case openssl(OpenSsl, Args) of
        {0, Said} -> Said;
        {_, _} -> throw({failed, Expected})
    end.

openssl(OpenSsl, Args) ->
    Port = open_port({spawn_executable, OpenSsl},
                     [{args, [unicode:characters_to_binary(Arg) || Arg <- Args]}, binary, exit_status, stderr_to_stdout, hide]),
    output(Port, []).

output(Port, Said) ->
    receive
        {Port, {data, Data}} -> output(Port, [Said, Data]);
        {Port, {exit_status, Status}} -> {Status, iolist_to_binary(Said)}
    after ?COMMAND_MS ->
        true = port_close(Port),
        throw({failed, ["openssl gave no answer"]})
    end.
