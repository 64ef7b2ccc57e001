%% @private
%% Why a genotype came here, or did not: what happened to each of the last thousand that were heard of, step by step.
-module(cambrian_journal).

-export([new/0, new/1, note/5, story/2, stories/1]).
-export_type([journal/0, step/0]).

%% `time' in ms since 1970; what else a step has depends on `step': see {@link cambrian_bridge:why/1}.
-type step() :: #{time := integer(), step := atom(), atom() => term()}.
-opaque journal() :: cambrian_bounded_map:bounded_map(cambrian_genotype:id(), [step()]).

%% One that is announced again and again has a beginning worth reading.
-define(MAX_STEPS, 32).

-spec new() -> journal().
new() -> new(1000).

-spec new(pos_integer()) -> journal().
new(Max) -> cambrian_bounded_map:new(Max).

-spec note(cambrian_genotype:id(), Step :: atom(), map(), Now :: integer(), journal()) -> journal().
note(Id, Step, Details, Now, Journal) ->
    case cambrian_bounded_map:get(Id, Journal, []) of
        Steps when length(Steps) >= ?MAX_STEPS -> Journal;
        Steps -> cambrian_bounded_map:put(Id, [Details#{time => Now, step => Step} | Steps], Journal)
    end.

%% @doc Its steps, the first one first.
-spec story(cambrian_genotype:id(), journal()) -> [step()].
story(Id, Journal) -> lists:reverse(cambrian_bounded_map:get(Id, Journal, [])).

%% @doc The one that was heard of first comes first.
-spec stories(journal()) -> [{cambrian_genotype:id(), [step()]}].
stories(Journal) -> [{Id, lists:reverse(Steps)} || {Id, Steps} <- cambrian_bounded_map:to_list(Journal)].
