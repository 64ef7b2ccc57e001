%% @private
%% Makes certificates for Erlang distribution over TLS: those of an authority of one's own, and one
%% for each node. OpenSSL makes them, because OTP has an interface only for tests.
%%
%% The directory holds `ca.pem' and `ca.key', and for each node a folder of its name. A node's
%% machine gets that folder only.
-module(cambrian_cli_certificates).

-export([make/1]).
-export_type([order/0]).

%% `at' is the path of the folder on the node's machine, `days' how long the certificate is valid.
-type order() :: #{node := string(), out := file:filename_all(), at => string(), days => integer()}.

-define(CA_DAYS, 3650).
-define(DAYS, 365).
-define(COMMAND_MS, 60_000).

%% @doc Makes the folder of a node, and the authority if there is none. Replaces the folder if the
%% node has one.
-spec make(order()) -> {ok, Folder :: binary()} | {error, Line :: unicode:chardata()}.
make(#{node := Node, out := Out} = Order) ->
    case {os:find_executable("openssl"), host(Node)} of
        {false, _} -> {error, "openssl: expected on the PATH"};
        {_, none} ->
            {error, [Node, ": expected a node's name as opabinia@10.0.0.7 or "
                     "opabinia@lab.example.org"]};
        {OpenSsl, {ok, Host}} ->
            Dir = filename:absname(unicode:characters_to_binary(Out)),
            try
                ok = private_dir(Dir),
                ok = authority(OpenSsl, Dir),
                {ok, node(OpenSsl, Dir, Host, Order)}
            catch throw:{failed, Line} -> {error, Line}
            end
    end.

%% The alternative name in the certificate: the host by which other nodes call the node.
%% Distribution looks for an address among the DNS names.
host(Node) ->
    case re:run(Node, "^[A-Za-z0-9_-]{1,100}@([A-Za-z0-9.:-]{1,150})$",
                [dollar_endonly, {capture, all_but_first, list}]) of
        {match, [Host]} ->
            case inet:parse_strict_address(Host) of
                {ok, _} -> {ok, ["IP:", Host, ", DNS:", Host]};
                {error, einval} -> {ok, ["DNS:", Host]}
            end;
        nomatch -> none
    end.

authority(OpenSsl, Dir) ->
    [Certificate, Key] = [filename:join(Dir, Name) || Name <- [<<"ca.pem">>, <<"ca.key">>]],
    case {filelib:is_regular(Certificate), filelib:is_regular(Key)} of
        {true, true} -> check_authority(OpenSsl, Certificate, Key);
        {false, false} -> make_authority(OpenSsl, Dir, Certificate, Key);
        _ -> throw({failed, [Dir, ": has one of ca.pem and ca.key and lacks the other"]})
    end.

check_authority(OpenSsl, Certificate, Key) ->
    Public = output_of(OpenSsl, ["x509", "-in", Certificate, "-noout", "-pubkey"],
                       [Certificate, ": expected a certificate in PEM"]),
    case output_of(OpenSsl, ["pkey", "-in", Key, "-pubout"],
                   [Key, ": expected a private key in PEM"]) of
        Public -> ok;
        _ -> throw({failed, [Key, ": expected the private key of the certificate ", Certificate]})
    end.

make_authority(OpenSsl, Dir, Certificate, Key) ->
    Config = filename:join(Dir, <<"ca.cnf">>),
    write(Config, ["[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = ca\n"
                   "[name]\nCN = Cambrian ", random(8), "\n"
                   "[ca]\nbasicConstraints = critical, CA:true, pathlen:0\n"
                   "keyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n"]),
    New = <<Certificate/binary, ".new">>,
    key(OpenSsl, Key),
    run(OpenSsl, ["req", "-x509", "-new", "-sha256", "-days", integer_to_list(?CA_DAYS),
                  "-config", Config, "-key", Key, "-out", New]),
    ok = file:rename(New, Certificate),
    file:delete(Config).

%% Makes the folder beside the old one and renames it, so that a node never has the key of one and
%% the certificate of the other.
node(OpenSsl, Dir, Host, #{node := Name} = Order) ->
    Folder = filename:join(Dir, Name),
    New = <<Folder/binary, ".new">>,
    _ = file:del_dir_r(New),
    ok = private_dir(New),
    _ = certificate(OpenSsl, Dir, New, Host, Order),
    {ok, _} = file:copy(filename:join(Dir, "ca.pem"), filename:join(New, "ca.pem")),
    write(filename:join(New, "ssl_dist.conf"), conf(maps:get(at, Order, Folder))),
    _ = file:del_dir_r(Folder),
    ok = file:rename(New, Folder),
    Folder.

certificate(OpenSsl, Dir, New, Host, #{node := Name} = Order) ->
    [Config, Request, Key, Certificate] =
        [filename:join(New, File) || File <- ["cnf", "request", "key.pem", "cert.pem"]],
    write(Config, ["[req]\nprompt = no\ndistinguished_name = name\n"
                   "[name]\nCN = ", lists:sublist(Name, 64), "\n"
                   "[node]\nbasicConstraints = critical, CA:false\n"
                   "keyUsage = critical, digitalSignature\n"
                   "extendedKeyUsage = serverAuth, clientAuth\nsubjectAltName = ", Host, "\n"
                   "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"]),
    key(OpenSsl, Key),
    run(OpenSsl, ["req", "-new", "-sha256", "-config", Config, "-key", Key, "-out", Request]),
    run(OpenSsl, ["x509", "-req", "-sha256", "-in", Request,
                  "-CA", filename:join(Dir, "ca.pem"), "-CAkey", filename:join(Dir, "ca.key"),
                  "-set_serial", ["0x", random(16)],
                  "-days", integer_to_list(maps:get(days, Order, ?DAYS)),
                  "-extfile", Config, "-extensions", "node", "-out", Certificate]),
    [ok = file:delete(Path) || Path <- [Config, Request]].

%% Both nodes show a certificate, and each checks that the other's is of this authority. The calling
%% node also checks that the certificate is of the host that it called.
conf(At) ->
    Folder = unicode:characters_to_binary(At),
    Path = fun(File) -> unicode:characters_to_list(filename:join(Folder, File)) end,
    Both = [{cacertfile, Path("ca.pem")}, {certfile, Path("cert.pem")}, {keyfile, Path("key.pem")},
            {verify, verify_peer}, {depth, 1}],
    ["%% -proto_dist inet_tls -ssl_dist_optfile ", Path("ssl_dist.conf"), $\n,
     io_lib:format("~tp.~n", [[{server, Both ++ [{fail_if_no_peer_cert, true}]}, {client, Both}]])].

key(OpenSsl, Path) ->
    write(Path, ""),
    run(OpenSsl, ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", Path]).

random(Bytes) ->
    %% a serial number must be positive, without a leading zero
    <<First, Rest/binary>> = crypto:strong_rand_bytes(Bytes),
    binary_to_list(binary:encode_hex(<<(First band 16#3f bor 16#40), Rest/binary>>)).

%%% ---- files and commands -----------------------------------------------------------------

private_dir(Dir) ->
    must(filelib:ensure_dir(filename:join(Dir, "x")), Dir),
    must(file:change_mode(Dir, 8#700), Dir).

%% Takes the rights from others before the file has contents.
write(Path, Text) ->
    must(file:write_file(Path, ""), Path),
    must(file:change_mode(Path, 8#600), Path),
    must(file:write_file(Path, unicode:characters_to_binary(Text)), Path).

must(ok, _Path) -> ok;
must({error, Reason}, Path) -> throw({failed, [Path, ": ", file:format_error(Reason)]}).

run(OpenSsl, Args) ->
    case openssl(OpenSsl, Args) of
        {0, _} -> ok;
        {Status, Output} ->
            throw({failed, ["openssl ", hd(Args), ": status ", integer_to_list(Status), ": ",
                            string:trim(Output)]})
    end.

%% A wrong file of the user has an error of one line here: OpenSSL's has four.
output_of(OpenSsl, Args, Expected) ->
    case openssl(OpenSsl, Args) of
        {0, Output} -> Output;
        {_, _} -> throw({failed, Expected})
    end.

openssl(OpenSsl, Args) ->
    Port = open_port({spawn_executable, OpenSsl},
                     [{args, [unicode:characters_to_binary(Arg) || Arg <- Args]},
                      binary, exit_status, stderr_to_stdout, hide]),
    output(Port, []).

output(Port, Output) ->
    receive
        {Port, {data, Data}} -> output(Port, [Output, Data]);
        {Port, {exit_status, Status}} -> {Status, iolist_to_binary(Output)}
    after ?COMMAND_MS ->
        true = port_close(Port),
        throw({failed, ["openssl gave no answer"]})
    end.
