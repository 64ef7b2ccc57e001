%% @private
%% Whether this node is well, for whoever watches machines: 200, or 503 with what is not.
-module(cambrian_dashboard_health).

-export([full/0, brief/0]).

%% Without one of these the node does not do its work, or only seems to.
-define(NEEDED, [cambrian_governor, cambrian_store, cambrian_lineage, cambrian_program_warden, cambrian_program_pool,
                 cambrian_population_sup, cambrian_mesh_sup, cambrian_realms]).

-type answer() :: {200 | 503, [{string(), string()}], binary()}.

%% @doc For who may know all.
-spec full() -> answer().
full() ->
    {#{populations := Populations, lost := Lost, mesh := Mesh} = Snapshot, _} = cambrian_dashboard_state:snapshot(),
    {ok, Version} = application:get_key(cambrian, vsn),
    answer(faults(Snapshot), #{version => list_to_binary(Version), populations => [population(P) || P <- Populations],
                               lost => [cambrian_text:text(Name) || Name <- Lost], mesh => mesh(Mesh)}).

%% @doc For anybody: whether, and not what.
-spec brief() -> answer().
brief() ->
    {Snapshot, _} = cambrian_dashboard_state:snapshot(),
    answer(case faults(Snapshot) of [] -> []; _ -> [hidden] end, #{}).

answer([], Facts) -> json(200, Facts#{status => ok});
answer([hidden], Facts) -> json(503, Facts#{status => failing});
answer(Faults, Facts) -> json(503, Facts#{status => failing, faults => Faults}).

json(Status, Facts) -> {Status, [{"content-type", "application/json"}], cambrian_json:encode(Facts)}.

faults(#{populations := Populations, lost := Lost, mesh := Mesh}) ->
    [said([atom_to_binary(Name), " is down"]) || Name <- ?NEEDED, whereis(Name) =:= undefined]
        ++ [said(["the realm ", cambrian_text:clip(Name, 100), " is closed, as the files of its trust are damaged"])
            || #{realms := Realms} <- [Mesh], #{name := Name, trust := closed} <- Realms]
        ++ [<<"the native library is not loaded">> || cambrian_nif:loaded() =/= ok]
        ++ [said(["the population ", cambrian_text:clip(Name, 100), " died and has not come back"]) || Name <- Lost]
        ++ [said(["the population ", Text, " does not answer"]) || #{state := silent, text := Text} <- Populations]
        ++ [said(["the run of the population ", Text, " failed"]) || #{state := failed, text := Text} <- Populations].

said(Words) -> unicode:characters_to_binary(Words).

population(#{text := Text, state := State} = Population) ->
    Generation = case Population of #{stats := #{generation := G}} -> G; _ -> null end,
    #{name => Text, state => State, generation => Generation}.

mesh(none) -> null;
mesh(#{realms := Realms, peers := Peers}) ->
    #{realms => [#{name => cambrian_text:text(Name), connected => Connected}
                 || #{name := Name, connected := Connected} <- Realms],
      alive => length([alive || #{alive := true} <- Peers])}.
