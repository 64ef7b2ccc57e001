%% @doc Serves a live page about this node: its populations, and the genotypes that come from the
%% mesh. On the page you can pause and resume populations, and ban keys. `/metrics' is for
%% Prometheus, `/health' for monitoring. The guide is `docs/dashboard.md'.
%%
%% ```
%% 1> {ok, _} = cambrian_dashboard:start(#{port => 0}).
%% 2> <<"http://127.0.0.1:", _/binary>> = cambrian_dashboard:url().
%% 3> cambrian_dashboard:stop().
%% ok
%% '''
%%
%% The dashboard runs only if you start it, or if the application's environment has it:
%% `{cambrian, [{dashboard, #{}}]}'. It needs OTP's application `ssl' only with the option `ssl'.
-module(cambrian_dashboard).

-export([start/0, start/1, stop/0, url/0, end_sessions/0]).
-export([check/1, start_checked/1]).
-export_type([options/0]).

-type options() :: #{port => inet:port_number(), address => inet:ip_address() | string() | binary(),
                     token => string() | binary(), hosts => [string() | binary()],
                     ssl => [tuple() | atom()]}.
%% <ul>
%% <li>`port' (4040): 0 takes a free port.</li>
%% <li>`address' ({127, 0, 0, 1}): where to listen, as a tuple or a text; `{0, 0, 0, 0}' is
%% everywhere.</li>
%% <li>`token': at least 16 letters, digits and `-._~'. Anyone with the token may see and change
%% everything. An address that other machines can reach always needs a token: if you give none, the
%% dashboard makes one and logs it once.</li>
%% <li>`hosts' ([]): further names of the page, beside `localhost' and the address.</li>
%% <li>`ssl': options of {@link //ssl/ssl:handshake/2}, as `[{certfile, "cert.pem"}, {keyfile,
%% "key.pem"}]', to use TLS. The dashboard tries a handshake when it starts.</li>
%% </ul>

-define(LOOPBACK, {127, 0, 0, 1}).
-define(MIN_TOKEN, 16).

%% @doc The same as {@link start/1} without options: port 4040, for this machine only.
-spec start() -> {ok, pid()} | {error, term()}.
start() -> start(#{}).

%% @doc Starts the dashboard, and the application if it does not run. The dashboard stops with the
%% application.
%%
%% ```
%% 1> {ok, _} = cambrian_dashboard:start(#{port => 0, token => <<"correct-horse-battery">>}).
%% 2> {error, {already_started, _}} = cambrian_dashboard:start(#{port => 0}).
%% 3> cambrian_dashboard:stop().
%% ok
%% 4> {error, {bad_option, {token, _, Expected}}} = cambrian_dashboard:start(#{token => "horse"}).
%% 5> Expected.
%% <<"at least 16 letters, digits or -._~">>
%% '''
-spec start(options()) -> {ok, pid()} | {error, term()}.
start(Options) ->
    case {check(Options), application:ensure_all_started(cambrian)} of
        {{ok, Checked}, {ok, _}} -> start_checked(Checked);
        {{ok, _}, {error, {cambrian, {Reason, _}}}} -> {error, Reason};
        {Error, _} -> Error
    end.

%% @doc Stops the dashboard and closes its connections. Returns `ok' even if no dashboard runs.
%%
%% ```
%% 1> cambrian_dashboard:stop().
%% ok
%% '''
-spec stop() -> ok.
stop() ->
    try supervisor:terminate_child(cambrian_sup, ?MODULE) of
        _ -> ok
    catch exit:_ -> ok
    end.

%% @doc Returns the URL of the dashboard, including its token: keep it secret. Exits with `noproc'
%% if no dashboard runs.
%%
%% ```
%% 1> {ok, _} = cambrian_dashboard:start(#{port => 0, token => "correct-horse-battery"}).
%% 2> Expected = "^http://127.0.0.1:[0-9]+/[?]token=correct-horse-battery$".
%% 3> {match, _} = re:run(cambrian_dashboard:url(), Expected).
%% 4> cambrian_dashboard:stop().
%% ok
%% '''
-spec url() -> binary().
url() -> cambrian_dashboard_access:url().

%% @doc Ends the sessions of all browsers, closes their pages, and returns the number of sessions: 0
%% if no dashboard runs. A user with the token can log in again; to prevent that, restart the
%% dashboard with another token.
%%
%% ```
%% 1> {ok, _} = cambrian_dashboard:start(#{port => 0, token => <<"correct-horse-battery">>}).
%% 2> cambrian_dashboard:end_sessions().
%% 0
%% 3> cambrian_dashboard:stop().
%% ok
%% 4> cambrian_dashboard:end_sessions().
%% 0
%% '''
-spec end_sessions() -> non_neg_integer().
end_sessions() -> cambrian_dashboard_access:end_sessions().

%%% ---- starting ---------------------------------------------------------------------------

%% @private Checks options and adds defaults. The token becomes a fun, to keep it out of crash
%% reports.
-spec check(map()) -> {ok, map()} | {error, cambrian_options:error()}.
check(Options) ->
    case cambrian_options:check(Options, table(), <<"type cambrian_dashboard:options()">>) of
        {ok, #{address := Address, hosts := Hosts} = Checked} ->
            Parsed = Checked#{address := address(Address), hosts := lists:map(fun text/1, Hosts)},
            {ok, hide_ssl(hide_token(Parsed))};
        Error -> Error
    end.

table() ->
    #{port => {fun is_port_number/1, <<"a port, 0 to 65535">>, 4040},
      address => {fun(Address) -> address(Address) =/= none end, <<"an IP address">>, ?LOOPBACK},
      token => {fun is_token/1, {secret, <<"at least 16 letters, digits or -._~">>}},
      hosts => {fun(Hosts) -> is_list(Hosts) andalso lists:all(fun is_host/1, Hosts) end,
                <<"a list of names">>, []},
      ssl => {fun are_options/1, <<"a list of options of ssl">>}}.

is_port_number(Port) -> is_integer(Port) andalso Port >= 0 andalso Port < 65536.

address(Address) when is_tuple(Address) ->
    case inet:ntoa(Address) of
        {error, einval} -> none;
        _ -> Address
    end;
address(Text) ->
    case is_text(Text) andalso inet:parse_strict_address(binary_to_list(text(Text))) of
        {ok, Address} -> Address;
        _ -> none
    end.

are_options(Ssl) when length(Ssl) > 0 -> true;
are_options(_) -> false.

%% The token needs no escapes in a URL or a cookie.
is_token(Token) ->
    is_text(Token) andalso byte_size(text(Token)) >= ?MIN_TOKEN
        andalso re:run(text(Token), "^[A-Za-z0-9._~-]{1,256}$", [dollar_endonly]) =/= nomatch.

is_host(Host) ->
    is_text(Host)
        andalso re:run(text(Host), "^[A-Za-z0-9.:-]+$", [dollar_endonly]) =/= nomatch.

is_text(Text) -> is_binary(Text) orelse io_lib:latin1_char_list(Text).

text(Text) -> iolist_to_binary(Text).

hide_token(#{token := Token} = Options) ->
    Text = text(Token),
    Options#{token := fun() -> Text end};
hide_token(#{address := Address} = Options) ->
    case is_loopback(Address) of
        true -> Options;
        false -> Options#{make_token => true}
    end.

%% Keeps keys and passwords out of crash reports, and failed handshakes of strangers out of the log.
hide_ssl(#{ssl := Ssl} = Options) ->
    Quiet = case lists:keymember(log_level, 1, Ssl) of
                true -> Ssl;
                false -> [{log_level, error} | Ssl]
            end,
    Options#{ssl := fun() -> Quiet end};
hide_ssl(Options) -> Options.

is_loopback({127, _, _, _}) -> true;
is_loopback(Address) -> Address =:= {0, 0, 0, 0, 0, 0, 0, 1}.

%% @private Needs a running application. A dashboard that keeps crashing is not restarted:
%% populations continue without it.
-spec start_checked(map()) -> {ok, pid()} | {error, term()}.
start_checked(Checked) ->
    case cambrian_dashboard_listener:prepare(with_token(Checked)) of
        {ok, Options} ->
            Child = #{id => ?MODULE, start => {cambrian_dashboard_sup, start_link, [Options]},
                      restart => temporary, type => supervisor},
            started(supervisor:start_child(cambrian_sup, Child), Options);
        Error -> Error
    end.

with_token(#{make_token := true} = Options) ->
    Token = cambrian_text:hex(crypto:strong_rand_bytes(32)),
    Options#{token => fun() -> Token end};
with_token(Options) -> Options.

started({ok, _} = Started, #{make_token := true}) ->
    logger:notice("cambrian: the dashboard is at ~ts", [url()]),
    Started;
started({error, {{shutdown, {failed_to_start_child, _, Reason}}, _Child}}, _Options) ->
    {error, Reason};
started(Other, _Options) -> Other.
