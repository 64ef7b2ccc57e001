%% @private
%% Who comes to a population from elsewhere, as a value: newcomers that a user injects and strangers
%% from the mesh, from the offer until they are judged.
-module(cambrian_arrivals).

-export([new/2, saved/1, offer/4, pace/2, invite/2, measured/4, panicked/1, examine/1, put_off/1]).
-export([admit_newcomers/3, admit_strangers/4, bred/1, without/2, begin_again/2]).
-export_type([arrivals/0, verdict/0]).

-record(arrivals, {newcomers :: cambrian_newcomers:newcomers(),
                   strangers :: cambrian_strangers:strangers(),
                   %% of the strangers, into this generation
                   admitted = 0 :: non_neg_integer(),
                   %% the median cost of the genotypes of a generation, where it was asked for
                   median = {none, 0} :: {none | reference(), non_neg_integer()}}).
-opaque arrivals() :: #arrivals{}.
%% Who was judged, and what subscribers hear of it.
-type verdict() :: {cambrian_newcomers:newcomer(), #{outcome := atom(), atom() => term()}}.

%% Each generation admits one stranger for so many genotypes of the population.
-define(ADMITTED, 10).

%% @doc As {@link saved/1} kept them, in the same VM. All of them wait again.
-spec new(Timeout :: undefined | pos_integer(), Saved :: map()) -> arrivals().
new(Timeout, Saved) ->
    Queue = fun(Key) -> maps:get(Key, Saved, cambrian_newcomers:new()) end,
    #arrivals{newcomers = cambrian_newcomers:again(Queue(newcomers)),
              strangers = cambrian_strangers:new(Timeout, Queue(strangers))}.

%% @doc What a checkpoint keeps.
-spec saved(arrivals()) -> #{newcomers | strangers := cambrian_newcomers:newcomers()}.
saved(#arrivals{newcomers = Newcomers, strangers = Strangers}) ->
    #{newcomers => Newcomers, strangers => cambrian_strangers:queue(Strangers)}.

%% @doc Somebody is offered, whose networks have this shape.
-spec offer(Shape :: {pos_integer(), pos_integer()}, cambrian_newcomers:newcomer(),
            Population :: reference(), arrivals()) ->
          {waits, arrivals()} | {refused, verdict(), arrivals()} | {error, busy}.
offer(Shape, Newcomer, Population, Arrivals) ->
    #{inputs := Inputs, outputs := Outputs} = cambrian_nif:population_info(Population),
    case Shape of
        {Inputs, Outputs} when is_map_key(bound, Newcomer) ->
            offer_stranger(Newcomer, with_median(Population, Arrivals));
        {Inputs, Outputs} -> offer_newcomer(Newcomer, Arrivals);
        _ -> {refused, {Newcomer, #{outcome => shape}}, Arrivals}
    end.

offer_newcomer(Newcomer, #arrivals{newcomers = Newcomers} = Arrivals) ->
    case cambrian_newcomers:add(Newcomer, Newcomers) of
        {ok, More} -> {waits, Arrivals#arrivals{newcomers = More}};
        Busy -> Busy
    end.

%% Genes tell the cost, before anything is made of them.
offer_stranger(#{cost := Cost, bound := Times} = Stranger,
               #arrivals{strangers = Strangers, median = {_, Median}} = Arrivals) ->
    case cambrian_strangers:bound(Median, Times) of
        Bound when Cost > Bound ->
            Why = #{outcome => too_costly, cost => Cost, median => Median, bound => Bound},
            {refused, {Stranger, Why}, Arrivals};
        _ ->
            case cambrian_strangers:add(Stranger, Strangers) of
                {ok, More} -> {waits, Arrivals#arrivals{strangers = More}};
                Busy -> Busy
            end
    end.

with_median(Population, #arrivals{median = {Population, _}} = Arrivals) -> Arrivals;
with_median(Population, Arrivals) ->
    Arrivals#arrivals{median = {Population, cambrian_nif:population_median_cost(Population)}}.

%%% ---- strangers are measured beside the population ---------------------------------------

%% @doc As {@link cambrian_strangers:pace/2}.
-spec pace({Work :: number(), Ms :: number()}, arrivals()) -> arrivals().
pace(Last, #arrivals{strangers = Strangers} = Arrivals) ->
    Arrivals#arrivals{strangers = cambrian_strangers:pace(Last, Strangers)}.

%% @doc As {@link cambrian_strangers:invite/2}.
-spec invite(Now :: integer(), arrivals()) ->
          {[cambrian_genotype:genotype(), ...], Deadline :: pos_integer(), arrivals()} | none.
invite(Now, #arrivals{strangers = Strangers} = Arrivals) ->
    case cambrian_strangers:invite(Now, Strangers) of
        none -> none;
        {Genotypes, Deadline, Next} ->
            {Genotypes, Deadline, Arrivals#arrivals{strangers = Next}}
    end.

%% @doc As {@link cambrian_strangers:measured/4}.
-spec measured([cambrian_strangers:measure()], [{pos_integer(), cambrian_fault:fault()}],
               Now :: integer(), arrivals()) -> arrivals().
measured(Found, Faults, Now, #arrivals{strangers = Strangers} = Arrivals) ->
    Arrivals#arrivals{strangers = cambrian_strangers:measured(Found, Faults, Now, Strangers)}.

%% @doc As {@link cambrian_strangers:panicked/1}.
-spec panicked(arrivals()) -> arrivals().
panicked(#arrivals{strangers = Strangers} = Arrivals) ->
    Arrivals#arrivals{strangers = cambrian_strangers:panicked(Strangers)}.

%%% ---- newcomers are measured between two generations -------------------------------------

%% @doc The newcomers that are to be measured now, if any wait.
-spec examine(arrivals()) -> {[cambrian_genotype:genotype(), ...], arrivals()} | none.
examine(#arrivals{newcomers = Newcomers} = Arrivals) ->
    case cambrian_newcomers:examine(Newcomers) of
        {[], _} -> none;
        {Genotypes, Next} -> {Genotypes, Arrivals#arrivals{newcomers = Next}}
    end.

%% @doc They wait until the population rests, or goes on.
-spec put_off(arrivals()) -> arrivals().
put_off(#arrivals{newcomers = Newcomers} = Arrivals) ->
    Arrivals#arrivals{newcomers = cambrian_newcomers:put_off(Newcomers)}.

%%% ---- who is admitted --------------------------------------------------------------------

%% @doc The newcomers were found to be this: each takes the place of the worst of its species, if it
%% is better.
-spec admit_newcomers([cambrian_strangers:measure()], Evaluated :: reference(), arrivals()) ->
          {[verdict()], Evaluated :: reference(), arrivals()}.
admit_newcomers(Found, Evaluated, #arrivals{newcomers = Newcomers} = Arrivals) ->
    {Outcomes, Works} = lists:unzip(Found),
    {Measured, Next} = cambrian_newcomers:examined(Outcomes, Newcomers),
    All = [{Newcomer, Fitness, work(Work, Newcomer)}
           || {{Newcomer, Fitness}, Work} <- lists:zip(Measured, Works)],
    Admit = fun({Newcomer, _, _} = One, Before, A) ->
                case admit(One, Before) of
                    {accepted, Verdict, With} -> {Verdict, With, taken_in(Newcomer, A)};
                    {refused, Verdict} -> {Verdict, Before, A}
                end
            end,
    admit_all(Admit, All, Evaluated, Arrivals#arrivals{newcomers = Next}).

%% One after the other.
admit_all(Admit, All, Evaluated, Arrivals) ->
    {Verdicts, {With, Admitted}} =
        lists:mapfoldl(fun(One, {Before, A}) ->
                           {Verdict, After, Next} = Admit(One, Before, A),
                           {Verdict, {After, Next}}
                       end, {Evaluated, Arrivals}, All),
    {Verdicts, With, Admitted}.

work(unmetered, #{genotype := Genotype}) -> cambrian_genotype:cost(Genotype);
work(Work, _Newcomer) -> Work.

taken_in(Newcomer, #arrivals{newcomers = Newcomers} = Arrivals) ->
    Arrivals#arrivals{newcomers = cambrian_newcomers:taken_in(Newcomer, Newcomers)}.

%% @doc The strangers that were measured since, if there are any. So that many of them do not take
%% all places, each generation admits a tenth of the population, and beyond that only who is better
%% than the champion.
-spec admit_strangers(Evaluated :: reference(), Population :: reference(),
                      IsBest :: fun((float()) -> boolean()), arrivals()) ->
          {[verdict()], Evaluated :: reference(), arrivals()} | none.
admit_strangers(Evaluated, Population, IsBest, #arrivals{strangers = Strangers} = Arrivals) ->
    case cambrian_strangers:take(Strangers) of
        {[], _} -> none;
        {Found, Next} ->
            #{population := Size} = cambrian_nif:population_parameters(Population),
            Admit = fun(One, Before, A) -> admit_stranger(One, Before, Size, IsBest, A) end,
            admit_all(Admit, Found, Evaluated, Arrivals#arrivals{strangers = Next})
    end.

admit_stranger({Stranger, Fitness, Work} = One, Evaluated, Size, IsBest, Arrivals) ->
    case is_float(Fitness) andalso is_full(Size, Arrivals) andalso not IsBest(Fitness) of
        true ->
            {{Stranger, #{outcome => full, fitness => Fitness, work => Work}}, Evaluated, Arrivals};
        false ->
            case admit(One, Evaluated) of
                {accepted, Verdict, With} -> {Verdict, With, admitted(Stranger, Arrivals)};
                {refused, Verdict} -> {Verdict, Evaluated, Arrivals}
            end
    end.

is_full(Size, #arrivals{admitted = Admitted}) -> Admitted >= max(1, Size div ?ADMITTED).

admitted(Stranger, #arrivals{strangers = Strangers, admitted = Admitted} = Arrivals) ->
    Arrivals#arrivals{strangers = cambrian_strangers:taken_in(Stranger, Strangers),
                      admitted = Admitted + 1}.

admit({Newcomer, NoFitness, Work}, _Evaluated) when NoFitness =:= failed; NoFitness =:= late ->
    {refused, {Newcomer, #{outcome => NoFitness, work => Work}}};
admit({#{genotype := Genotype, from := From} = Newcomer, Fitness, Work}, Evaluated) ->
    Found = #{fitness => Fitness, work => Work},
    Keys = cambrian_purge:keys(From),
    case cambrian_nif:population_inject(Evaluated, Genotype, Fitness, Keys) of
        {ok, With} -> {accepted, {Newcomer, Found#{outcome => accepted}}, With};
        {error, Reason} -> {refused, {Newcomer, Found#{outcome => Reason}}}
    end.

%% @doc The next generation is there, and has what it has of them.
-spec bred(arrivals()) -> arrivals().
bred(#arrivals{newcomers = Newcomers, strangers = Strangers} = Arrivals) ->
    Arrivals#arrivals{newcomers = cambrian_newcomers:bred(Newcomers),
                      strangers = cambrian_strangers:bred(Strangers), admitted = 0}.

%%% ---- what is banned ---------------------------------------------------------------------

%% @doc Without those that are banned, which are `gone'. Where one of them was being measured, the
%% job of the newcomers or that of the strangers is to be stopped.
-spec without(cambrian_purge:banned(), arrivals()) ->
          {#{gone := [cambrian_newcomers:newcomer()], newcomers := stopped | same,
             strangers := stopped | same}, arrivals()}.
without(Banned, #arrivals{newcomers = Newcomers, strangers = Strangers} = Arrivals) ->
    IsBanned = fun(One) -> cambrian_purge:is_newcomer(One, Banned) end,
    {{Waiting, Examined}, Left} = cambrian_newcomers:without(IsBanned, Newcomers),
    {Strange, Visit, Others} = cambrian_strangers:without(IsBanned, Strangers),
    {#{gone => Waiting ++ Examined ++ Strange,
       newcomers => case Examined of [] -> same; _ -> stopped end, strangers => Visit},
     Arrivals#arrivals{newcomers = Left, strangers = Others}}.

%% @doc The generation at hand is done again: from what was `evaluated', which has those that it
%% took in, or from the `start', so that they ask again.
-spec begin_again(evaluated | start, arrivals()) -> arrivals().
begin_again(start, #arrivals{newcomers = Newcomers} = Arrivals) ->
    Arrivals#arrivals{newcomers = cambrian_newcomers:again(Newcomers)};
begin_again(evaluated, #arrivals{newcomers = Newcomers, strangers = Strangers} = Arrivals) ->
    Bred = cambrian_newcomers:bred(Newcomers),
    Arrivals#arrivals{newcomers = cambrian_newcomers:again(Bred),
                      strangers = cambrian_strangers:bred(Strangers)}.
