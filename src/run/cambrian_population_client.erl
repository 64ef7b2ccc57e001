%% @private
%% Calls of a population that survive its crashes, and the calls that only Cambrian itself makes. If
%% the population crashes before or during a call, the call waits until the population returns. The
%% name and the old pid both work.
-module(cambrian_population_client).

-export([call/3, step/2, stop/1, inject_from_mesh/4, account/1, overview/1, so_far/1,
         some_of_front/2]).

-define(LOOK_MS, 5).
%% The longest time of a timer: seven weeks.
-define(MAX_MS, 16#FFFFFFFF).

-spec call(cambrian_population:population(), Request :: term(), timeout()) -> term().
call(Population, Request, infinity) -> call_until(Population, Request, infinity);
call(Population, Request, Timeout) -> call_until(Population, Request, now_ms() + Timeout).

call_until(Population, Request, Deadline) ->
    try gen_statem:call(Population, Request, left(Deadline))
    catch
        exit:{timeout, _} = Reason:Stack -> erlang:raise(exit, Reason, Stack);
        exit:{_, {gen_statem, call, _}} = Reason:Stack ->
            call_until(returned(Population, Reason, Stack, Deadline), Request, Deadline)
    end.

%% @doc If the population crashes and returns meanwhile, it does only the remaining generations.
-spec step(cambrian_population:population(), pos_integer()) ->
          {ok, cambrian_population:stats()} | {error, term()}.
step(Population, Generations) ->
    #{next := First} = call(Population, next, infinity),
    step(Population, First, First + Generations - 1).

step(Population, First, Last) ->
    try gen_statem:call(Population, {step, max(1, Last - First + 1)}, infinity)
    catch
        exit:{_, {gen_statem, call, _}} = Reason:Stack ->
            Returned = returned(Population, Reason, Stack, infinity),
            #{next := Next} = call(Returned, next, infinity),
            step(Returned, Next, Last)
    end.

-spec stop(cambrian_population:population()) -> ok.
stop(Population) ->
    try gen_statem:stop(Population)
    catch exit:Reason:Stack -> stop(returned(Population, Reason, Stack, infinity))
    end.

%% @doc At most so many of the front, evenly chosen, with the champion among them, and how many
%% the whole front has, for a display.
-spec some_of_front(cambrian_population:population(), Most :: pos_integer()) ->
          {ok, #{front := cambrian_front:front(), count := non_neg_integer(),
                 champion := cambrian_genotype:genotype()}}
          | {error, not_evaluated | no_front}.
some_of_front(Population, Most) ->
    case call(Population, front, infinity) of
        {ok, Evaluated} -> {ok, cambrian_standing:some_of_front(Evaluated, Most)};
        Error -> Error
    end.

%% @doc Offers a genotype from the mesh. It is measured at the same time as the population
%% ({@link cambrian_mesh_newcomers}). It is refused unmeasured if its network costs more than
%% `Bound' times the median of the population's networks ({@link cambrian_mesh_newcomers:bound/2}).
-spec inject_from_mesh(cambrian_population:population(), cambrian_genotype:genotype(),
                       From :: term(), Bound :: number()) -> ok | {error, busy}.
inject_from_mesh(Population, Genotype, From, Bound) ->
    #{inputs := Inputs, outputs := Outputs, connections := Size} = cambrian_genotype:info(Genotype),
    Newcomer = #{genotype => Genotype, size => Size, from => From, told => false,
                 cost => cambrian_genotype:cost(Genotype), bound => Bound},
    call(Population, {inject, {Inputs, Outputs}, Newcomer}, infinity).

%% @doc Subscribes like {@link cambrian_population:subscribe/1}. The caller also gets
%% `{worked, #{work, rests, failing}}': the cost of the evaluations of the last generation, if there
%% was one since the last such event, whether the population has nothing to do, and whether many of
%% its own evaluations fail.
-spec account(cambrian_population:population()) -> ok.
account(Population) -> call(Population, {account, self()}, infinity).

%% @doc The state of the population in one answer, for a display. It `varies' if its evaluations
%% depend on the generation.
-spec overview(cambrian_population:population()) ->
          #{name := term(), task := atom(), task_id := binary(), search := atom(),
            varies := boolean(),
            goal := cambrian_population:goal(), state := new | running | paused | finished | failed,
            failure := undefined | cambrian_population:failure(), solved := boolean(),
            stats := undefined | cambrian_population:stats(),
            champion := undefined | cambrian_population:champion(), elapsed_ms := non_neg_integer(),
            history := cambrian_history:history()}.
overview(Population) -> call(Population, overview, infinity).

%% @doc The result as if the run ended now.
-spec so_far(cambrian_population:population()) ->
          {ok, cambrian_population:result()} | {error, not_evaluated}.
so_far(Population) -> call(Population, so_far, infinity).

%% Waits for the population to return. If it does not return, raises the exception again.
returned(Population, Reason, Stack, Deadline) ->
    _ = [cambrian_running:check() || is_atom(Population) orelse node(Population) =:= node()],
    case cambrian_store:whereabouts(Population) of
        {alive, Pid} -> Pid;
        gone -> erlang:raise(exit, Reason, Stack);
        returning ->
            Late = {timeout, {cambrian_population, await, [Population]}},
            _ = [exit(Late) || left(Deadline) =:= 0],
            timer:sleep(?LOOK_MS),
            returned(Population, Reason, Stack, Deadline)
    end.

left(infinity) -> infinity;
left(Deadline) -> min(?MAX_MS, max(0, Deadline - now_ms())).

now_ms() -> erlang:monotonic_time(millisecond).
