%% @private
%% Writes the numbers of the dashboard for Prometheus, in its text format 0.0.4.
%%
%% Only populations with a name have metrics of their own, because Prometheus keeps a series for
%% each label for a long time. A metric without a value yet is left out.
-module(cambrian_dashboard_metrics).

-export([answer/0]).

-type metric() :: {Name :: binary(), gauge | counter, Help :: binary(),
                   [{Labels :: [{atom(), term()}], number()}]}.

-spec answer() -> {200, [{string(), string()}], binary()}.
answer() ->
    {Snapshot, _} = cambrian_dashboard_state:snapshot(),
    {200, [{"content-type", "text/plain; version=0.0.4; charset=utf-8"}],
     iolist_to_binary(text(metrics(Snapshot)))}.

metrics(#{populations := Populations, unshown := Unshown, lost := Lost,
          governor := Governor, mesh := Mesh}) ->
    {ok, Version} = application:get_key(cambrian, vsn),
    Named = [Population || #{name := Name} = Population <- Populations, is_atom(Name)],
    [{<<"cambrian_info">>, gauge, <<"The version of Cambrian; always 1.">>,
      [{[{version, Version}, {otp, erlang:system_info(otp_release)}], 1}]},
     one(<<"cambrian_populations">>, gauge, <<"Populations on this node.">>,
         length(Populations) + Unshown),
     one(<<"cambrian_populations_lost">>, gauge,
         <<"Populations that died and have not come back.">>, length(Lost))]
        ++ of_governor(Governor)
        ++ [of_runs([Population || #{task := _} = Population <- Named])]
        ++ of_populations([Population || #{stats := #{}} = Population <- Named])
        ++ of_federations([Population || #{federation := _} = Population <- Named])
        ++ of_mesh(Mesh).

one(Name, Type, Help, Value) -> {Name, Type, Help, [{[], Value}]}.

of_governor(none) -> [];
of_governor(#{state := State, evaluations := Evaluations, cpu_seconds := Seconds}) ->
    [one(<<"cambrian_resting">>, gauge, <<"1 while the governor lets nothing be evaluated.">>,
         bit(State =/= working)),
     one(<<"cambrian_node_evaluations_total">>, counter,
         <<"Evaluations of all populations since the node started.">>, Evaluations),
     one(<<"cambrian_cpu_seconds_total">>, counter,
         <<"Processor time of the VM since the node started.">>, Seconds)].

%% A population whose first generation failed has only this metric.
of_runs(Populations) ->
    {<<"cambrian_failed">>, gauge, <<"1 where the run ended without a result.">>,
     [{labels(Population), bit(State =:= failed)}
      || #{state := State} = Population <- Populations]}.

of_populations(Populations) ->
    Of = fun(Value) ->
             [{labels(Population), Number}
              || Population <- Populations, Number <- Value(Population)]
         end,
    Stat = fun(Name) -> Of(fun(#{stats := Stats}) -> [maps:get(Name, Stats)] end) end,
    [{<<"cambrian_generation">>, gauge, <<"The last generation that was evaluated, from 0.">>,
      Stat(generation)},
     {<<"cambrian_evaluations_total">>, counter, <<"Evaluations of a population.">>,
      Stat(evaluations)},
     {<<"cambrian_evaluation_failures_total">>, counter,
      <<"Evaluations of a population that failed.">>, Stat(failures)},
     {<<"cambrian_best_fitness">>, gauge, <<"The best fitness of all generations.">>,
      Of(fun(#{champion := #{fitness := Fitness}}) -> [Fitness]; (_) -> [] end)},
     {<<"cambrian_generation_best_fitness">>, gauge,
      <<"The best fitness of the last generation.">>, Stat(best)},
     {<<"cambrian_mean_fitness">>, gauge, <<"The mean fitness of the last generation.">>,
      Stat(mean)},
     {<<"cambrian_species">>, gauge, <<"Species of the last generation.">>,
      Of(fun(#{stats := #{species := Species}}) -> [length(Species)] end)},
     {<<"cambrian_mean_nodes">>, gauge, <<"Mean number of nodes of a genotype.">>,
      Stat(mean_nodes)},
     {<<"cambrian_mean_connections">>, gauge, <<"Mean number of connections of a genotype.">>,
      Stat(mean_connections)},
     {<<"cambrian_running">>, gauge, <<"1 while the population evolves.">>,
      Of(fun(#{state := State}) -> [bit(State =:= running)] end)},
     {<<"cambrian_solved">>, gauge, <<"1 once the task is solved.">>,
      Of(fun(#{solved := Solved}) -> [bit(Solved)] end)}].

of_federations(Populations) ->
    Of = fun(Value) ->
             [{labels(Population), Value(Status)}
              || #{federation := Status} = Population <- Populations]
         end,
    [{<<"cambrian_federation_members">>, gauge, <<"Members, this node among them.">>,
      Of(fun(#{members := Members}) -> length(Members) end)},
     {<<"cambrian_federation_coordinated">>, gauge,
      <<"1 while this member follows a coordinator, or is it.">>,
      Of(fun(#{coordinator := Coordinator}) -> bit(Coordinator =/= none) end)},
     {<<"cambrian_federation_coordinates">>, gauge, <<"1 while this node is the coordinator.">>,
      Of(fun(#{coordinator := Coordinator}) -> bit(Coordinator =:= node()) end)},
     {<<"cambrian_federation_coordinators_total">>, counter,
      <<"Coordinators that this member has followed.">>,
      Of(fun(#{coordinators := Coordinators}) -> Coordinators end)},
     {<<"cambrian_federation_record">>, gauge, <<"The last record that this member has applied.">>,
      Of(fun(#{record := Record}) -> Record end)},
     {<<"cambrian_federation_record_bytes_total">>, counter,
      <<"Bytes of the records that this member has applied.">>,
      Of(fun(#{bytes := Bytes}) -> Bytes end)}].

labels(#{text := Text, task := Task}) -> [{population, Text}, {task, Task}].

of_mesh(none) -> [];
of_mesh(#{counts := Counts, realms := Realms, peers := Peers}) ->
    Alive = fun(Name) ->
                length([peer || #{alive := true, realm := Realm} <- Peers, Realm =:= Name])
            end,
    Of = fun(Value) -> [{[{realm, Name}], Value(Realm)} || #{name := Name} = Realm <- Realms] end,
    Total = fun(Name, Help, Key) -> one(Name, counter, Help, maps:get(Key, Counts, 0)) end,
    [{<<"cambrian_mesh_connected">>, gauge, <<"1 where the transport of a realm is connected.">>,
      Of(fun(#{connected := Connected}) -> bit(Connected =:= true) end)},
     {<<"cambrian_mesh_peers">>, gauge, <<"Others in a realm that are alive, up to 40.">>,
      Of(fun(#{name := Name}) -> Alive(Name) end)},
     {<<"cambrian_mesh_bans">>, gauge, <<"Bans in a realm, up to 100.">>,
      Of(fun(#{bans := Bans}) -> length(Bans) end)},
     Total(<<"cambrian_mesh_received_total">>, <<"Messages that came from the mesh.">>, received),
     Total(<<"cambrian_mesh_received_bytes_total">>, <<"Their bytes.">>, bytes_received),
     Total(<<"cambrian_mesh_published_total">>, <<"Genotypes that were published.">>, published),
     Total(<<"cambrian_mesh_published_bytes_total">>,
           <<"Bytes of all that was said to the mesh.">>, bytes_published),
     Total(<<"cambrian_mesh_announced_total">>, <<"How often the best was announced again.">>,
           announced),
     {<<"cambrian_mesh_refused_total">>, counter, <<"Messages that were refused, by reason.">>,
      [{[{reason, Reason}], N} || {{rejected, Reason}, N} <- lists:sort(maps:to_list(Counts))]}].

bit(true) -> 1;
bit(false) -> 0.

%%% ---- the format -------------------------------------------------------------------------

%% Writes metrics as text. A metric without a value is left out.
-spec text([metric()]) -> iodata().
text(Metrics) ->
    [[help(Name, Type, Help), [sample(Name, Labels, Value) || {Labels, Value} <- Samples]]
     || {Name, Type, Help, [_ | _] = Samples} <- Metrics].

help(Name, Type, Help) ->
    [<<"# HELP ">>, Name, $\s, Help, <<"\n# TYPE ">>, Name, $\s, atom_to_binary(Type), $\n].

sample(Name, [], Value) -> [Name, $\s, number(Value), $\n];
sample(Name, Labels, Value) ->
    Written = [[atom_to_binary(Label), "=\"", escaped(Text), $"] || {Label, Text} <- Labels],
    [Name, ${, lists:join($,, Written), "} ", number(Value), $\n].

%% Erlang has no infinite floats and no NaN.
number(Value) when is_integer(Value) -> integer_to_binary(Value);
number(Value) -> io_lib:format("~p", [Value]).

escaped(Text) -> << <<(escape(C))/binary>> || <<C/utf8>> <= cambrian_text:text(Text) >>.

escape($\\) -> <<"\\\\">>;
escape($") -> <<"\\\"">>;
escape($\n) -> <<"\\n">>;
escape(C) -> <<C/utf8>>.
