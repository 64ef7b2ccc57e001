%% @private
%% Explains why a genotype came to this node, or did not: the steps of each of the last thousand
%% genotypes that were announced to it.
-module(cambrian_journal).

-export([new/0, note/5, story/2, stories/1]).
-export_type([journal/0, step/0]).

%% `time' is in ms since 1970. The other fields depend on `step': see {@link cambrian_bridge:why/1}.
-type step() :: #{time := integer(), step := atom(), atom() => term()}.
-opaque journal() :: cambrian_bounded_map:bounded_map(cambrian_genotype:id(), [step()]).

-define(MAX_GENOTYPES, 1000).
%% If a genotype is announced again and again, only its first steps are kept.
-define(MAX_STEPS, 32).

-spec new() -> journal().
new() -> cambrian_bounded_map:new(?MAX_GENOTYPES).

-spec note(cambrian_genotype:id(), Step :: atom(), map(), Time :: integer(), journal()) ->
          journal().
note(Id, Step, Details, Time, Journal) ->
    case cambrian_bounded_map:get(Id, Journal, []) of
        Steps when length(Steps) >= ?MAX_STEPS -> Journal;
        Steps ->
            Next = [Details#{time => Time, step => Step} | Steps],
            cambrian_bounded_map:put(Id, Next, Journal)
    end.

%% @doc The steps of a genotype, the first step first.
-spec story(cambrian_genotype:id(), journal()) -> [step()].
story(Id, Journal) -> lists:reverse(cambrian_bounded_map:get(Id, Journal, [])).

%% @doc All genotypes with their steps, in the order of their first step.
-spec stories(journal()) -> [{cambrian_genotype:id(), [step()]}].
stories(Journal) ->
    [{Id, lists:reverse(Steps)} || {Id, Steps} <- cambrian_bounded_map:to_list(Journal)].
