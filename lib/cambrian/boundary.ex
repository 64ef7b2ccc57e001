defmodule Cambrian.Boundary do
  @moduledoc false
  # What crosses to Erlang and back: keyword lists become maps, references become structs.

  alias Cambrian.{Archive, Error, Genotype, Network, Result, Substrate, Tensor}

  @doc "Converts the options of an evolution to those of Erlang."
  @spec options(term) :: {:ok, map} | {:error, Error.reason()}
  def options(opts) do
    with {:ok, options} <- to_map(:options, opts),
         {:ok, options} <- nested(options, :params) do
      {:ok, options |> with_task() |> with_substrate() |> with_founders() |> without_nil()}
    end
  end

  @doc "Makes a map of a keyword list; as everywhere in Elixir, the first of two equal keys counts."
  @spec to_map(atom, term) :: {:ok, map} | {:error, Error.reason()}
  def to_map(name, opts) do
    if Keyword.keyword?(opts),
      do: {:ok, opts |> Enum.reverse() |> Map.new()},
      else: {:error, {:bad_option, {name, opts, "a keyword list"}}}
  end

  @doc "Does the same for an option that may be a map already."
  @spec nested(map, atom) :: {:ok, map} | {:error, Error.reason()}
  def nested(options, name) do
    with {:ok, value} when not is_map(value) <- Map.fetch(options, name),
         {:ok, map} <- to_map(name, value) do
      {:ok, %{options | name => map}}
    else
      {:error, {:bad_option, {^name, value, expected}}} ->
        {:error, {:bad_option, {name, value, expected <> " or a map"}}}

      _absent_or_map ->
        {:ok, options}
    end
  end

  @doc "Takes required options out of a map."
  @spec take(map, [atom]) :: {:ok, [term], rest :: map} | {:error, Error.reason()}
  def take(options, names) do
    case Enum.reject(names, &is_map_key(options, &1)) do
      [] -> {:ok, Enum.map(names, &Map.fetch!(options, &1)), Map.drop(options, names)}
      missing -> {:error, {:missing_options, missing}}
    end
  end

  defp with_task(%{task: task} = options), do: %{options | task: task(task)}
  defp with_task(options), do: options

  defp with_substrate(%{substrate: %Substrate{ref: reference}} = options),
    do: %{options | substrate: reference}

  defp with_substrate(options), do: options

  defp with_founders(%{from: %Genotype{ref: reference}} = options),
    do: %{options | from: reference}

  defp with_founders(%{from: founders} = options) when is_list(founders) do
    if Enum.all?(founders, &is_struct(&1, Genotype)),
      do: %{options | from: Enum.map(founders, & &1.ref)},
      else: options
  rescue
    # an improper list
    FunctionClauseError -> options
  end

  defp with_founders(options), do: options

  # As for a GenServer, `name: nil` is no name.
  defp without_nil(%{name: nil} = options), do: Map.delete(options, :name)
  defp without_nil(options), do: options

  @doc "Converts a task to that of Erlang. Modules convert themselves: see `Cambrian.Task`."
  @spec task(term) :: term
  def task(fun) when is_function(fun, 1), do: fn reference -> fun.(%Network{ref: reference}) end

  def task({:dataset, inputs, targets}),
    do: {:dataset, Tensor.dataset(inputs), Tensor.dataset(targets)}

  def task({:dataset, %{} = settings}) when not is_struct(settings) do
    {:dataset,
     Map.new(settings, fn
       {name, rows} when name in [:inputs, :targets] -> {name, Tensor.dataset(rows)}
       setting -> setting
     end)}
  end

  def task({name, settings} = task) when is_atom(name) and is_list(settings) do
    # the arguments of a module stay what they are
    with true <- name in [:dataset, :program | :cambrian_task.names()],
         {:ok, settings} <- to_map(:settings, settings) do
      task({name, settings})
    else
      _module_or_no_settings -> task
    end
  end

  def task(task), do: task

  @doc "Returns the reference in a struct of this module; anything else is a wrong argument."
  @spec ref(term, module) :: term
  def ref(%{__struct__: module, ref: reference}, module), do: reference

  def ref(other, module) do
    hint =
      case {other, module} do
        {%Genotype{}, Network} -> "; Cambrian.Network.compile/1 makes one of it"
        _ -> ""
      end

    raise ArgumentError,
          "expected a #{inspect(module)}, got: " <>
            inspect(other, limit: 5, printable_limit: 60) <> "#{hint}"
  end

  @doc "Wraps the genotype in an answer of `:cambrian_genotype` into a struct."
  @spec genotype({:ok, :cambrian_genotype.genotype()} | {:error, Error.reason()}) ::
          {:ok, Genotype.t()} | {:error, Error.reason()}
  def genotype({:ok, reference}), do: {:ok, %Genotype{ref: reference}}
  def genotype({:error, _} = error), do: error

  @doc "Replaces Erlang's `undefined` with `nil`."
  @spec without_undefined(map) :: map
  def without_undefined(map) do
    Map.new(map, fn
      {key, :undefined} -> {key, nil}
      pair -> pair
    end)
  end

  @doc "Returns a count of something, in words."
  @spec counted(non_neg_integer, String.t()) :: String.t()
  def counted(count, word),
    do: "#{count} #{:cambrian_text.plural(count, String.to_charlist(word))}"

  @doc "Makes a struct of a result."
  @spec result(:cambrian_population.result()) :: Result.t()
  def result(%{champion: reference} = result) do
    front = Result.front(Map.get(result, :front, []))
    whole = Map.merge(result, %{champion: %Genotype{ref: reference}, front: front})
    struct!(Result, with_archive(whole))
  end

  defp with_archive(%{archive: reference} = result),
    do: %{result | archive: %Archive{ref: reference}}

  defp with_archive(result), do: result
end
