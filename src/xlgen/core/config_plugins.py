"""The types of config fields that have a plugin, and where the registry of each kind is."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from xlgen.core.plugins import PluginField, PluginOptions

BaselineField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.training.baselines:baselines")]
ControlField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.decoding.control:controls")]
CriterionField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.experiments.criteria:criteria")]
MethodField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.adaptation.base:methods")]
ObjectiveField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.data.objectives:objectives")]
PenaltyField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.training.penalties:penalties")]
PolicyField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.experiments.policies:policies")]
ReaderField: TypeAlias = Annotated[PluginOptions, PluginField("xlgen.data.readers:readers")]
