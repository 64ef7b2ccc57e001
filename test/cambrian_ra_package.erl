%% Where `ra' can be had: on the code path, in an installed rabbitmq-server, or in Debian's package,
%% unpacked below `_build'.
-module(cambrian_ra_package).
-export([ebins/0]).

-define(APPLICATIONS, ["ra", "aten", "gen_batch_server", "seshat"]).
-define(DOWNLOAD_MS, 60_000).

-spec ebins() -> {ok, [file:filename()]} | {skip, string()}.
ebins() ->
    Places = ["/usr/lib/rabbitmq/lib/*/plugins",
              filename:join(scratch(), "usr/lib/rabbitmq/lib/*/plugins")],
    case {code:which(ra), lists:append([found(Place) || Place <- Places])} of
        {non_existing, []} -> unpacked(found(unpack()));
        {non_existing, [_ | _] = Found} -> {ok, lists:sublist(Found, length(?APPLICATIONS))};
        {_, _} -> {ok, []}
    end.

unpacked([]) -> {skip, "no ra: neither rabbitmq-server nor its package can be had"};
unpacked(Found) -> {ok, Found}.

found(Plugins) ->
    Ebins = [filelib:wildcard(filename:join([Plugins, Name ++ "-*", "ebin"]))
             || Name <- ?APPLICATIONS],
    case lists:member([], Ebins) of
        true -> [];
        false -> [hd(Found) || Found <- Ebins]
    end.

scratch() -> cambrian_checkout:path("_build/ra").

unpack() ->
    ok = filelib:ensure_path(scratch()),
    Script = "cd '" ++ scratch() ++ "' && apt-get download -q rabbitmq-server && "
        "dpkg -x rabbitmq-server_*.deb . 2>&1",
    _ = case os:find_executable("apt-get") of
            false -> no_package;
            _ -> cambrian_async:await(cambrian_async:start(fun() -> os:cmd(Script) end),
                                      ?DOWNLOAD_MS)
        end,
    filename:join(scratch(), "usr/lib/rabbitmq/lib/*/plugins").
