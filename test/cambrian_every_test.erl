%% All tests, for `rebar3 eunit'. EUnit gives a test five seconds, which a busy machine exceeds;
%% here a test has three minutes. The option `scale_timeouts' would do the same, from OTP 26 on.
%% Each module has a process of its own, so that none reads the messages that another left: with a
%% thousand of them in its queue a subscriber counts as too slow, and gets no events.
-module(cambrian_every_test).

-export([tests/0]).

-define(SECONDS, 180).

tests() -> [{atom_to_list(Module), {spawn, tests(Module)}} || Module <- modules()].

modules() ->
    Beams = filelib:wildcard(filename:join(filename:dirname(code:which(?MODULE)), "*_tests.beam")),
    [list_to_atom(filename:basename(Beam, ".beam")) || Beam <- lists:sort(Beams)].

tests(Module) ->
    {module, Module} = code:ensure_loaded(Module),
    lists:append([kind(lists:reverse(atom_to_list(Name)), Module, Name)
                  || {Name, 0} <- Module:module_info(exports)]).

kind("tset_" ++ _, Module, Name) -> [{timeout, ?SECONDS, {Module, Name}}];
kind("_tset_" ++ _, Module, Name) -> [{generator, fun() -> patient(Module:Name()) end}];
kind(_, _Module, _Name) -> [].

%% Of what a generator returned; what has a time limit or a setup of its own stays.
patient(Tests) when is_list(Tests) -> [patient(Test) || Test <- Tests];
patient({Line, Test}) when is_integer(Line), is_function(Test, 0) ->
    {timeout, ?SECONDS, {Line, Test}};
patient(Test) when is_function(Test, 0) -> {timeout, ?SECONDS, Test};
patient({[_ | _] = Description, Test}) -> {Description, patient(Test)};
patient(Test) -> Test.
