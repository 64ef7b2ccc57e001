%% Puts the native library for the wanted target, the scripts in python/ and the page of the
%% dashboard in OUT. It is one file and needs only OTP. rebar3 runs it as a script
%% (`escript native/cambrian_build.erl OUT`); mix.exs compiles it in memory and calls build/2.
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

%% After so many seconds without output of cargo, the build says that it is still running.
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

%% The key has the content of every input but no times, so a fresh clone with a cached build is up
%% to date. Another target, machine or library at CAMBRIAN_NIF_PATH gives another key. Tests and the
%% output of fuzzers are not inputs.
key(Root, Target) ->
    case env("CAMBRIAN_NIF_PATH", "") of
        "" ->
            Machine = erlang:system_info(system_architecture),
            Knobs = ["CAMBRIAN_NIF_PROFILE", "RUSTFLAGS", "CC", "CROSSCOMPILE"],
            Files = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "native/cambrian_build.erl"]
                ++ filelib:wildcard("native/*/Cargo.toml", Root)
                ++ filelib:wildcard("native/*/src/**", Root),
            term_to_binary({Target, Machine, [env(Knob, "") || Knob <- Knobs],
                            [{File, file:read_file(filename:join(Root, File))} || File <- Files]});
        Path ->
            read(Path)
    end.

%% The stamp of a library lies beside it. It covers the bytes too: a library that another program
%% overwrote is not up to date.
is_fresh(Library, Key) ->
    case file:read_file(Library) of
        {ok, Bytes} -> file:read_file(Library ++ ".stamp") =:= {ok, stamp(Key, Bytes)};
        {error, _} -> false
    end.

stamp(Key, Bytes) -> erlang:md5([erlang:md5(Key), Bytes]).

%% Replaces the file instead of writing into it, because a running VM may have it mapped. The mode
%% is 755, because Nerves strips only executable files.
install(From, To, Key) ->
    Bytes = read(From),
    New = To ++ ".new",
    must(filelib:ensure_dir(To), To),
    must(file:write_file(New, Bytes), New),
    must(file:change_mode(New, 8#755), New),
    _ = file:delete(To),
    must(file:rename(New, To), To),
    must(file:write_file(To ++ ".stamp", stamp(Key, Bytes)), To).

%% Files that are not Erlang code lie beside the library, so that a release has them too.
copy_files(Root, Out) ->
    Sources = [{"python/*.py", "."}, {"src/dashboard/page/*", "dashboard"}],
    Copies = [{To, Bytes} || {Files, Folder} <- Sources,
                             File <- filelib:wildcard(Files, Root),
                             To <- [filename:join([Out, Folder, filename:basename(File)])],
                             Bytes <- [read(filename:join(Root, File))],
                             file:read_file(To) =/= {ok, Bytes}],
    lists:foldl(fun({To, Bytes}, _) ->
                    must(filelib:ensure_dir(To), To),
                    must(file:write_file(To, Bytes), To)
                end, noop, Copies).

%% ---- cargo -------------------------------------------------------------------------------

%% rebar3, mix and each of their environments install the library that cargo keeps. That library has
%% a stamp too, so only the first build starts cargo.
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

%% Checks the version first: a cargo that is too old fails at the edition in the manifest, with a
%% misleading error.
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

%% Runs in Root, because cargo looks for .cargo/config.toml in its working directory.
run(Program, Args, Root, Env, Fold, Acc) ->
    Port = open_port({spawn_executable, Program},
                     [{args, Args}, {cd, Root}, {env, Env}, exit_status, stderr_to_stdout, binary]),
    output(Port, Fold, Acc, 0).

%% The last crate takes longer than all others together, and cargo prints nothing meanwhile.
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

%% Nerves names its cross compiler in CC. cargo needs it as the linker of the target, and the build
%% of zstd as the compiler of the target. Neither may use it as the compiler of this machine.
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

%% The file name that cargo gives the library, and the extension that erlang:load_nif/2 expects.
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

%% An empty variable counts as not set.
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
