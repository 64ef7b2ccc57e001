%% @private
%% Decides how a population begins: from its checkpoint, if it has one that fits its options, or
%% from a first generation.
-module(cambrian_restore).

-export([begin_with/1]).

%% @doc The start value for {@link cambrian_evolution:new/3}, from options that {@link
%% cambrian_preparation} prepared. `is_resumed' says whether there was a checkpoint.
-spec begin_with(map()) -> {ok, #{population := reference(), goal := map(), running := boolean(),
                                  is_resumed := boolean(), atom() => term()}} | {error, term()}.
begin_with(Options) ->
    case saved(Options) of
        {ok, #{population := Population} = Saved} ->
            case check_encoding(Options, cambrian_nif:population_info(Population)) of
                ok ->
                    {ok, Saved#{goal => goal(Options, Saved),
                                running => is_to_run(Options, Saved),
                                is_resumed => is_map_key(running, Saved)}};
                Error -> Error
            end;
        Error -> Error
    end.

%% A checkpoint may have a substrate although the options name none.
check_encoding(#{nodes := Nodes, task := #{inputs := Inputs, outputs := Outputs}}, Info)
  when Nodes =/= [] ->
    case Info of
        #{inputs := Inputs, outputs := Outputs} -> ok;
        _ -> {error, {bad_option, {nodes, Nodes, <<"none with a substrate">>}}}
    end;
check_encoding(_, _) -> ok.

%% A member of a federation goes on as the others. After a crash a paused population stays paused.
%% In another VM it runs if the options have `run'.
is_to_run(#{checkpoint := _}, #{running := Running}) -> Running;
is_to_run(_Options, #{until := _, running := Running}) -> Running;
is_to_run(#{run := Run}, Saved) -> Run orelse maps:get(running, Saved, false).

%% After a crash the goal is the same as before. In another VM the options of the start change the
%% goal of the checkpoint.
goal(#{checkpoint := _}, #{goal := Goal}) -> Goal;
goal(_Options, #{until := Until, goal := Goal}) -> maps:merge(Goal, Until);
goal(Options, Saved) ->
    maps:merge(maps:get(goal, Saved, #{}), maps:with(maps:keys(cambrian_goal:table()), Options)).

%% Discards the checkpoints of the name only after the process has registered the name, so that no
%% other population uses them. A start that cannot make a first generation discards nothing.
saved(#{checkpoint := Saved} = Options) -> fitting({ok, Saved}, Options);
saved(#{name := Name, discard := Once} = Options) ->
    case cambrian_store:is_discarded(Name, Once) orelse found(Options) of
        true -> restore_or_found(Options);
        {ok, _} = Founded ->
            case cambrian_store:discard(Name, Once) of
                ok -> Founded;
                Error -> Error
            end;
        Error -> Error
    end;
saved(Options) -> restore_or_found(Options).

restore_or_found(#{name := Name} = Options) -> fitting(cambrian_store:get(Name), Options).

fitting(Got, #{task := #{name := Task}} = Options) ->
    TaskName = atom_to_binary(Task),
    case Got of
        {ok, #{task := TaskName} = Saved} -> check_saved(Saved, Options);
        {ok, #{task := Another}} -> {error, {checkpoint_of_another_task, Another}};
        {error, not_found} -> found(Options);
        Error -> Error
    end.

%% With other settings, networks of the same task may have another size.
check_saved(#{population := Population} = Saved,
            #{task := #{inputs := Inputs, outputs := Outputs}} = Options) ->
    case cambrian_nif:population_info(Population) of
        #{networks := {Inputs, Outputs}} -> check_given(Saved, Options);
        #{networks := {Inputs, Other}} -> {error, {wrong_size, outputs, Outputs, Other}};
        #{networks := {Other, _}} -> {error, {wrong_size, inputs, Inputs, Other}}
    end.

%% Options that shape the population from its first generation on cannot change.
check_given(#{population := Population} = Saved, #{given := Given} = Options) ->
    #{seed := Seed} = cambrian_nif:population_info(Population),
    Parameters = cambrian_nif:population_parameters(Population),
    Own = Parameters#{seed => Seed, from => maps:get(from, Saved, [])},
    Wanted = maps:merge(cambrian_preparation:understood(Options),
                        maps:without([substrate], Given)),
    Differing = [{Name, Value, Saw} || {Name, Value} <- lists:sort(maps:to_list(Wanted)),
                                       #{Name := Saw} <- [Own], Saw /= Value],
    case {Differing, Given} of
        {[{Name, Value, Saw} | _], _} -> {error, {checkpoint_differs, Name, Saw, Value}};
        {[], #{substrate := Substrate}} ->
            case cambrian_nif:population_is_on(Population, Substrate) of
                true -> {ok, Saved};
                false -> {error, {checkpoint_differs, substrate, another, Substrate}}
            end;
        {[], _} -> {ok, Saved}
    end.

found(#{seed := Seed, task := #{inputs := Inputs, outputs := Outputs} = Task} = Options) ->
    Encoding = maps:get(substrate, Options, {Inputs, Outputs}),
    Native = cambrian_preparation:native(Task),
    Parameters = cambrian_preparation:parameters(Options),
    Founders = cambrian_preparation:founders(Options),
    case cambrian_nif:population_new(Encoding, Native, Parameters, Seed, Founders) of
        {ok, Population} ->
            {ok, maps:merge(#{population => Population},
                            maps:with([from], maps:get(given, Options)))};
        {error, {bad_parameter, {Name, undefined, Expected}}} ->
            %% not given: the value is a default
            {error, {bad_parameter, {Name, cambrian_preparation:effective(Name, Options),
                                     Expected}}};
        Error -> Error
    end.
