%% @private Converts a snapshot to the JSON that the page shows. It makes texts from other nodes
%% valid and short. The page shows them as text only.
-module(cambrian_dashboard_view).

-export([view/2]).

-define(MAX_TEXT, 120).
-define(MAX_MEMBERS, 10).

-spec view(cambrian_dashboard_snapshot:snapshot(), Rates :: #{term() => number()}) ->
          cambrian_json:json().
view(#{populations := Populations, unshown := Unshown, lost := Lost,
       governor := Governor, mesh := Mesh}, Rates) ->
    #{node => text(node()),
      populations => [population(Population, Rates) || Population <- Populations],
      unshown => Unshown, lost => [text(Name) || Name <- Lost],
      governor => governor(Governor), mesh => mesh(Mesh)}.

governor(none) -> null;
governor(#{state := working} = Status) -> (of_governor(Status))#{resting => null};
governor(#{state := {paused, {alarm, Alarm}}} = Status) ->
    (of_governor(Status))#{resting => text([<<"alarm ">>, cambrian_text:text(Alarm)])};
governor(#{state := {paused, Reason}} = Status) ->
    (of_governor(Status))#{resting => with_spaces(Reason)}.

of_governor(Status) -> maps:with([cpu, threads, evaluations], Status).

%%% ---- populations ------------------------------------------------------------------------

%% Makes one row. An unknown value is null.
population(#{text := Text, state := silent}, _Rates) ->
    #{name => Text, state => silent, task => null, generation => null, champion => null};
population(#{text := Text, name := Name, task := Task, stats := Stats,
             champion := Champion} = Population, Rates) ->
    Facts = maps:merge(of_stats(Stats), maps:with([state, solved], Population)),
    Facts#{name => Text, task => text(Task), rate => round(maps:get(Name, Rates, 0)),
           champion => champion(Champion), progress => progress(Population),
           failure => failure(Population), keeps => keeps(Population),
           federation => federation(Population)}.

%% What it finds beside its champion, which has a picture of this name.
keeps(#{search := map_elites}) -> archive;
keeps(#{search := pareto}) -> front;
keeps(_) -> null.

federation(#{federation := Status}) ->
    #{coordinator := Coordinator, members := Members, voters := Voters} = Status,
    Shown = lists:sublist(Members, ?MAX_MEMBERS),
    (maps:with([record, coordinators], Status))#{
        coordinator => case Coordinator of none -> null; _ -> text(Coordinator) end,
        members => [text(Node) || Node <- Shown], unshown => length(Members) - length(Shown),
        voters => length(Voters)};
federation(_) -> null.

%% The reason why the run ended without a result.
failure(#{failure := {evaluations_failed, #{count := Count, first := First}}}) ->
    Text = io_lib:format("all ~b evaluations failed: ~ts", [Count, cambrian_fault:text(First)]),
    [Line | _] = string:split(unicode:characters_to_binary(Text), "\n"),
    cambrian_text:clip(Line, 200);
failure(#{state := failed}) -> <<"the fun of its goal failed">>;
failure(_) -> null.

of_stats(undefined) -> #{generation => null};
of_stats(#{species := Species} = Stats) ->
    Shown = maps:with([generation, evaluations, failures, best, mean], Stats),
    Shown#{species => length(Species)}.

champion(undefined) -> null;
champion(#{champion := Genotype, fitness := Fitness, generation := Generation,
           operators := Operators}) ->
    Sizes = maps:with([nodes, connections], cambrian_genotype:info(Genotype)),
    Sizes#{id => cambrian_text:hex(cambrian_genotype:id(Genotype)), fitness => Fitness,
           generation => Generation,
           operators => [with_spaces(Operator) || Operator <- Operators]}.

%% Says how near the goal is: the share of the nearest limit, if there is one, and the goal in
%% words.
progress(#{stats := Stats, goal := Goal, elapsed_ms := Elapsed}) ->
    Share = case Stats of
                #{} -> cambrian_progress:share(Stats#{elapsed_ms => Elapsed}, Goal);
                undefined -> none
            end,
    #{share => case Share of none -> null; _ -> Share end,
      goal => iolist_to_binary(lists:join(<<" or ">>, goals(Goal)))}.

goals(Goal) ->
    case lists:append([goal(Name, Value) || {Name, Value} <- lists:sort(maps:to_list(Goal))]) of
        [] -> [<<"no limit">>];
        Some -> Some
    end.

goal(target, Fitness) -> [[<<"fitness ">>, cambrian_text:short(Fitness)]];
goal(until, _) -> [<<"until its fun says so">>];
goal(timeout, Ms) when is_integer(Ms) -> [[cambrian_text:short(Ms / 1000), <<" s">>]];
goal(patience, Generations) ->
    [[cambrian_text:short(Generations), <<" generations without a better one">>]];
goal(Name, Count) when is_integer(Count) ->
    [[cambrian_text:short(Count), $\s, atom_to_binary(Name)]];
goal(_, _) -> [].

%%% ---- the mesh ---------------------------------------------------------------------------

mesh(none) -> null;
mesh(#{identity := Identity, counts := Counts, realms := Realms, peers := Peers,
       unshown_peers := Unshown, migrations := Migrations}) ->
    Sums = cambrian_dashboard_migration:of_origins(Migrations),
    #{identity => case Identity of undefined -> null; _ -> cambrian_text:hex(Identity) end,
      name => case Identity of undefined -> null; _ -> cambrian_identity:name(Identity) end,
      published => maps:get(published, Counts, 0),
      judged => length(Migrations),
      taken => length([taken || #{outcome := accepted} <- Migrations]),
      realms => [realm(Realm) || Realm <- Realms],
      peers => [peer(Peer, Sums, Peers, Realms) || Peer <- Peers], unshown => Unshown}.

peer(#{origin := Origin, realm := Realm} = Peer, Sums, Peers, Realms) ->
    Sum = maps:get(Origin, Sums, #{count => 0, taken => 0, last => null}),
    Bans = [Ban || #{name := Name, bans := All} <- Realms, Name =:= Realm,
                   #{what := {key, Key}} = Ban <- All, Key =:= Origin],
    (maps:with([alive, received, accepted, reputation], Peer))#{
        key => cambrian_text:hex(Origin),
        label => cambrian_dashboard_migration:label(Origin, Peers),
        realm => cambrian_text:text(Realm), migrants => maps:get(count, Sum),
        taken => maps:get(taken, Sum), outcome => outcome(maps:get(last, Sum)),
        banned => Bans =/= []}.

outcome(null) -> null;
outcome(accepted) -> <<"taken">>;
outcome(Other) -> with_spaces(Other).

realm(#{name := Name, trust := Trust, connected := Connected, missing := Missing, bans := Bans,
        refused := Refused, refusals := Refusals}) ->
    #{name => cambrian_text:text(Name), trust => Trust, connected => Connected,
      missing => [text(cambrian_text:text(Handle)) || Handle <- Missing],
      bans => [ban(Ban) || Ban <- Bans],
      refused => maps:from_list([{with_spaces(Reason), N}
                                 || {Reason, N} <- maps:to_list(Refused)]),
      refusals => [refusal(Refusal) || Refusal <- Refusals]}.

ban(#{what := {Kind, Id}, reason := Reason, by := By, time := Time}) ->
    #{kind => Kind, id => cambrian_text:hex(Id),
      name => case Kind of key -> cambrian_identity:name(Id); _ -> null end,
      reason => text(Reason), by => By, time => Time}.

refusal(#{time := Time, reason := Reason, origin := Origin} = Refusal) ->
    #{time => Time, reason => with_spaces(Reason),
      origin => case Origin of <<_:32/binary>> -> cambrian_text:hex(Origin); _ -> null end,
      name => maps:get(name, Refusal, null),
      task => case Refusal of #{task := Task} -> text(Task); _ -> null end}.

with_spaces(Name) -> binary:replace(text(Name), <<"_">>, <<" ">>, [global]).

text(Text) -> cambrian_text:clip(Text, ?MAX_TEXT).
