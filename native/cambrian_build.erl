%% Puts the native library for the wanted target, the scripts in python/ and the page of the dashboard in OUT. One file, OTP only, two callers: rebar3
%% runs it as a script (`escript native/cambrian_build.erl OUT`), mix.exs compiles it in memory
%% and calls build/2.
%%
%%   CAMBRIAN_NIF_PATH     a library built elsewhere: copy it, start no cargo
%%   CAMBRIAN_NIF_PROFILE  cargo profile (default release)
%%   CAMBRIAN_NIF_TARGET, else CARGO_BUILD_TARGET, else Nerves' TARGET_ARCH, TARGET_OS, TARGET_ABI
%%                         and TARGET_CPU: the target, built with the C compiler in CC
%%                         or CROSSCOMPILE
%%
%% CARGO, CARGO_TARGET_DIR, CARGO_NET_OFFLINE and RUSTFLAGS mean what they mean to cargo.
-module(cambrian_build).
-export([main/1, build/2]).

%% After so many seconds without a word from cargo there is one.
-define(SILENCE_S, 20).

main([Out]) ->
    Root = filename:dirname(filename:dirname(filename:absname(escript:script_name()))),
    case build(Root, filename:absname(Out)) of
        {error, Message} ->
            say("~ts", [Message]),
            halt(1);
        _ ->
            ok
    end.

-spec build(file:filename(), file:filename()) -> noop | ok | {error, iodata()}.
build(Root, Out) ->
    try
        Target = target(),
        Key = key(Root, Target),
        Installed = filename:join(Out, "cambrian_nif" ++ extension(Target)),
        Copied = copy_files(Root, Out),
        case is_fresh(Installed, Key) of
            true -> Copied;
            false -> install(library(Root, Target, Key), Installed, Key)
        end
    catch
        throw:{stop, Message} -> {error, Message}
    end.

%% ---- what is up to date ------------------------------------------------------------------

%% The content of every input and no times: a fresh clone with a cached build is up to date, and
%% another target, machine or library at CAMBRIAN_NIF_PATH is not. Tests and what fuzzers leave
%% behind are no inputs.
key(Root, Target) ->
    case env("CAMBRIAN_NIF_PATH", "") of
        "" ->
            Machine = erlang:system_info(system_architecture),
            Knobs = ["CAMBRIAN_NIF_PROFILE", "RUSTFLAGS", "CC", "CROSSCOMPILE"],
            Files = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "native/cambrian_build.erl"]
                ++ filelib:wildcard("native/*/Cargo.toml", Root) ++ filelib:wildcard("native/*/src/**", Root),
            term_to_binary({Target, Machine, [env(Knob, "") || Knob <- Knobs],
                            [{File, file:read_file(filename:join(Root, File))} || File <- Files]});
        Path ->
            read(Path)
    end.

%% A library's stamp lies beside it and covers its bytes too: a library that something else
%% overwrote is not up to date.
is_fresh(Library, Key) ->
    case file:read_file(Library) of
        {ok, Bytes} -> file:read_file(Library ++ ".stamp") =:= {ok, stamp(Key, Bytes)};
        {error, _} -> false
    end.

stamp(Key, Bytes) -> erlang:md5([erlang:md5(Key), Bytes]).

%% A new file under the old name: a running VM has the old one mapped, so it must not be written
%% into. Mode 755, as Nerves strips only what is executable.
install(From, To, Key) ->
    Bytes = read(From),
    New = To ++ ".new",
    must(filelib:ensure_dir(To), To),
    must(file:write_file(New, Bytes), New),
    must(file:change_mode(New, 8#755), New),
    _ = file:delete(To),
    must(file:rename(New, To), To),
    must(file:write_file(To ++ ".stamp", stamp(Key, Bytes)), To).

%% What is no code of Erlang lies beside the library, which is where a release has it as well.
copy_files(Root, Out) ->
    Copies = [{To, Bytes} || {Files, Folder} <- [{"python/*.py", "."}, {"src/dashboard/page/*", "dashboard"}],
                             File <- filelib:wildcard(Files, Root),
                             To <- [filename:join([Out, Folder, filename:basename(File)])],
                             Bytes <- [read(filename:join(Root, File))],
                             file:read_file(To) =/= {ok, Bytes}],
    lists:foldl(fun({To, Bytes}, _) ->
                    must(filelib:ensure_dir(To), To),
                    must(file:write_file(To, Bytes), To)
                end, noop, Copies).

%% ---- cargo -------------------------------------------------------------------------------

%% Several builds install from the one that cargo keeps (rebar3, mix, each environment): it has
%% a stamp as well, so that only the first of them starts cargo.
library(Root, Target, Key) ->
    case env("CAMBRIAN_NIF_PATH", "") of
        "" ->
            Dir = filename:absname(env("CARGO_TARGET_DIR", "target"), Root),
            Profile = env("CAMBRIAN_NIF_PROFILE", "release"),
            Folders = [Target || Target =/= host] ++ [folder(Profile)],
            Library = filename:join([Dir | Folders] ++ [file(Target)]),
            is_fresh(Library, Key) orelse begin
                cargo_build(Root, Target, Profile, Dir),
                must(file:write_file(Library ++ ".stamp", stamp(Key, read(Library))), Library)
            end,
            Library;
        Path ->
            Path
    end.

folder("dev") -> "debug";
folder(Profile) -> Profile.

cargo_build(Root, Target, Profile, Dir) ->
    Cargo = cargo(Root),
    Args = ["build", "--locked", "--package", "cambrian_nif", "--profile", Profile,
            "--target-dir", Dir | [Arg || Target =/= host, Arg <- ["--target", Target]]],
    say("building the native library with cargo, which takes two to five minutes on two cores", []),
    Show = fun(Bytes, _) -> io:put_chars(standard_error, Bytes) end,
    Start = erlang:monotonic_time(second),
    case run(Cargo, Args, Root, cross_env(Target), Show, ok) of
        {0, ok} -> say("built in ~b s", [erlang:monotonic_time(second) - Start]);
        {Status, ok} -> stop("cargo ended with status ~b; its own lines above say why", [Status])
    end.

%% Its version is asked first: a cargo that is too old stumbles over the manifest's edition and
%% says something else.
cargo(Root) ->
    Wanted = rust_version(Root),
    Name = env("CARGO", "cargo"),
    Cargo = os:find_executable(Name),
    Cargo =/= false orelse
        stop("~ts not found: install Rust ~ts or newer (https://rustup.rs), or set "
             "CAMBRIAN_NIF_PATH to a library built elsewhere", [Name, Wanted]),
    Found = version(Cargo, Root),
    Found =:= unknown orelse numbers(Found) >= numbers(Wanted) orelse
        stop("~ts is of Rust ~ts, too old: install Rust ~ts or newer (https://rustup.rs), or set "
             "CARGO to a newer cargo", [Cargo, Found, Wanted]),
    Cargo.

rust_version(Root) ->
    Manifest = read(filename:join(Root, "Cargo.toml")),
    {match, [Version]} = re:run(Manifest, "^rust-version *= *\"([0-9.]+)\"",
                                [multiline, {capture, [1], list}]),
    Version.

%% unknown: let cargo itself say what is wrong.
version(Cargo, Root) ->
    Append = fun(Bytes, Said) -> <<Said/binary, Bytes/binary>> end,
    {_, Said} = run(Cargo, ["--version"], Root, [], Append, <<>>),
    case re:run(Said, "^cargo ([0-9.]+)", [{capture, [1], list}]) of
        {match, [Version]} -> Version;
        nomatch -> unknown
    end.

numbers(Version) -> [list_to_integer(Number) || Number <- string:lexemes(Version, ".")].

%% In Root, because cargo looks for .cargo/config.toml from there and not from the manifest.
run(Program, Args, Root, Env, Fold, Acc) ->
    Port = open_port({spawn_executable, Program},
                     [{args, Args}, {cd, Root}, {env, Env}, exit_status, stderr_to_stdout, binary]),
    output(Port, Fold, Acc, 0).

%% The last crate takes longer than the others together, and cargo says nothing of it.
output(Port, Fold, Acc, Silent) ->
    receive
        {Port, {data, Bytes}} -> output(Port, Fold, Fold(Bytes, Acc), 0);
        {Port, {exit_status, Status}} -> {Status, Acc}
    after ?SILENCE_S * 1000 ->
        say("cargo is at work, silent for ~b s", [Silent + ?SILENCE_S]),
        output(Port, Fold, Acc, Silent + ?SILENCE_S)
    end.

say(Format, Args) -> io:format(standard_error, "cambrian: " ++ Format ++ "~n", Args).

%% ---- targets -----------------------------------------------------------------------------

target() ->
    case env("CAMBRIAN_NIF_TARGET", env("CARGO_BUILD_TARGET", "")) of
        "" -> nerves(env("TARGET_ARCH", ""), env("TARGET_CPU", ""));
        Target -> Target
    end.

nerves("", _) ->
    host;
nerves(Arch, Cpu) ->
    Abi = env("TARGET_ABI", "gnu"),
    lists:append([rust_arch(Arch, Cpu), "-unknown-", env("TARGET_OS", "linux"), "-", Abi]).

rust_arch("arm", "arm1176" ++ _) -> "arm"; % rpi, rpi0: ARMv6
rust_arch("arm", _) -> "armv7"; % rpi2, rpi3, bbb, ...
rust_arch("riscv64", _) -> "riscv64gc";
rust_arch(Arch, _) -> Arch.

%% Nerves names its cross compiler in CC. cargo wants it as the target's linker and zstd's build
%% as the target's compiler; neither may take it for this machine's own.
cross_env(host) ->
    [];
cross_env(Target) ->
    Name = lists:flatten(string:replace(Target, "-", "_", all)),
    case cross_compiler() of
        "" ->
            [];
        CC ->
            Linker = "CARGO_TARGET_" ++ string:uppercase(Name) ++ "_LINKER",
            [{"CC", false}, {"HOST_CC", env("HOST_CC", "cc")}
             | [{Variable, env(Variable, CC)} || Variable <- [Linker, "CC_" ++ Name]]]
    end.

cross_compiler() ->
    case {env("CC", ""), env("CROSSCOMPILE", "")} of
        {"", ""} -> "";
        {"", Prefix} -> Prefix ++ "-gcc";
        {CC, _} -> CC
    end.

%% What cargo calls the library, and the extension that erlang:load_nif/2 looks for.
file(Target) ->
    case os(Target) of
        windows -> "cambrian_nif.dll";
        darwin -> "libcambrian_nif.dylib";
        unix -> "libcambrian_nif.so"
    end.

extension(Target) ->
    case os(Target) of
        windows -> ".dll";
        _ -> ".so"
    end.

os(host) ->
    case os:type() of
        {win32, _} -> windows;
        {_, darwin} -> darwin;
        _ -> unix
    end;
os(Target) ->
    case {string:find(Target, "windows"), string:find(Target, "apple")} of
        {nomatch, nomatch} -> unix;
        {nomatch, _} -> darwin;
        _ -> windows
    end.

%% ---- small things ------------------------------------------------------------------------

%% An empty variable is one that is not set.
env(Name, Default) ->
    case os:getenv(Name, "") of
        "" -> Default;
        Value -> Value
    end.

read(Path) ->
    case file:read_file(Path) of
        {ok, Bytes} -> Bytes;
        {error, Reason} -> stop("~ts: ~ts", [Path, file:format_error(Reason)])
    end.

must(ok, _) -> ok;
must({error, Reason}, Path) -> stop("~ts: ~ts", [Path, file:format_error(Reason)]).

-spec stop(string(), [term()]) -> no_return().
stop(Format, Args) -> throw({stop, io_lib:format(Format, Args)}).
