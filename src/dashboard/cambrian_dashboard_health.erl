%% @private
%% Reports the health of this node for monitoring: status 200, or 503 with the faults.
-module(cambrian_dashboard_health).

-export([full/0, brief/0]).

%% The node does not work properly without one of these processes.
-define(NEEDED, [cambrian_governor, cambrian_store, cambrian_lineage,
                 cambrian_program_warden, cambrian_program_pool,
                 cambrian_population_sup, cambrian_mesh_sup, cambrian_realms]).

-type answer() :: {200 | 503, [{string(), string()}], binary()}.

%% @doc Answers an owner, with all facts and faults.
-spec full() -> answer().
full() ->
    {Snapshot, _} = cambrian_dashboard_state:snapshot(),
    #{populations := Populations, lost := Lost, mesh := Mesh} = Snapshot,
    {ok, Version} = application:get_key(cambrian, vsn),
    Facts = #{version => list_to_binary(Version),
              populations => lists:map(fun population/1, Populations),
              lost => lists:map(fun cambrian_text:text/1, Lost),
              mesh => mesh(Mesh)},
    answer(faults(Snapshot), Facts).

%% @doc Answers anybody, with the status only.
-spec brief() -> answer().
brief() ->
    {Snapshot, _} = cambrian_dashboard_state:snapshot(),
    answer(case faults(Snapshot) of [] -> []; _ -> [hidden] end, #{}).

answer([], Facts) -> json(200, Facts#{status => ok});
answer([hidden], Facts) -> json(503, Facts#{status => failing});
answer(Faults, Facts) -> json(503, Facts#{status => failing, faults => Faults}).

json(Status, Facts) ->
    {Status, [{"content-type", "application/json"}], cambrian_json:encode(Facts)}.

faults(#{populations := Populations, lost := Lost, mesh := Mesh}) ->
    [utf8([atom_to_binary(Name), " is down"]) || Name <- ?NEEDED, whereis(Name) =:= undefined]
        ++ [utf8(["the realm ", cambrian_text:clip(Name, 100),
                  " is closed, as the files of its trust are damaged"])
            || #{realms := Realms} <- [Mesh], #{name := Name, trust := closed} <- Realms]
        ++ [<<"the native library is not loaded">> || cambrian_nif:loaded() =/= ok]
        ++ [utf8(["the population ", cambrian_text:clip(Name, 100),
                  " died and has not come back"])
            || Name <- Lost]
        ++ [utf8(["the population ", Text, " does not answer"])
            || #{state := silent, text := Text} <- Populations]
        ++ [utf8(["the run of the population ", Text, " failed"])
            || #{state := failed, text := Text} <- Populations].

utf8(Text) -> unicode:characters_to_binary(Text).

population(#{text := Text, state := State} = Population) ->
    Generation = case Population of #{stats := #{generation := G}} -> G; _ -> null end,
    #{name => Text, state => State, generation => Generation}.

mesh(none) -> null;
mesh(#{realms := Realms, peers := Peers}) ->
    #{realms => [#{name => cambrian_text:text(Name), connected => Connected}
                 || #{name := Name, connected := Connected} <- Realms],
      alive => length([alive || #{alive := true} <- Peers])}.
