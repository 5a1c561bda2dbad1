//! Families of metrics, written one after the other.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::super::histogram::{BOUNDS, Histogram};

pub(super) type Label<'a> = (&'static str, &'a str);

pub(super) struct Sheet<'a>(DescriptorEncoder<'a>);

/// A name that ends in a unit has that unit. Counters get `_total` besides, and infos `_info`.
pub(super) type Name = &'static str;

impl<'a> Sheet<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn info<const N: usize>(
        &mut self,
        name: Name,
        help: &str,
        labels: [Label<'_>; N],
    ) -> fmt::Result {
        let unit = None;
        let mut family = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Info)?;
        family.encode_info(&labels)
    }

    pub(super) fn gauge(
        &mut self,
        name: Name,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.gauges(name, help, [([], value)])
    }

    pub(super) fn counter(
        &mut self,
        name: Name,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.counters(name, help, [([], value)])
    }

    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        name: Name,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples, |metric, value| {
            metric.encode_gauge(&value)
        })
    }

    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        name: Name,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], impl EncodeCounterValue)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples, |metric, value| {
            metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    pub(super) fn histograms<'l, const N: usize>(
        &mut self,
        name: Name,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], &'l Histogram)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, samples, histogram)
    }

    /// One and zeros: which of some states something is in.
    pub(super) fn states<'l, const N: usize>(
        &mut self,
        name: Name,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], bool)>,
    ) -> fmt::Result {
        let samples = samples.into_iter();
        self.gauges(
            name,
            help,
            samples.map(|(labels, is)| (labels, u64::from(is))),
        )
    }

    fn family<'l, const N: usize, V>(
        &mut self,
        name: Name,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = ([Label<'l>; N], V)>,
        encode: impl Fn(&mut MetricEncoder, V) -> fmt::Result,
    ) -> fmt::Result {
        let (stem, unit) = split(name);
        let mut family = self.0.encode_descriptor(stem, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            encode(&mut family.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

fn split(name: Name) -> (&'static str, Option<Unit>) {
    if let Some(stem) = name.strip_suffix("_seconds") {
        (stem, Some(Unit::Seconds))
    } else if let Some(stem) = name.strip_suffix("_bytes") {
        (stem, Some(Unit::Bytes))
    } else {
        (name, None)
    }
}

fn histogram(metric: &mut MetricEncoder, histogram: &Histogram) -> fmt::Result {
    let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(histogram.counts()).collect();
    let sum = histogram.sum().as_secs_f64();
    metric.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
}
