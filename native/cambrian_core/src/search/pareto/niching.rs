//! Which points of the last front survive in NSGA-III: those near to directions that have few
//! (Deb & Jain 2014, section IV).

use crate::base::rng::Stream;
use crate::search::fronts::Points;
use std::cmp::Ordering;

/// Directions that are spread evenly over those where all objectives count: the points of a simplex
/// whose coordinates are multiples of a fraction (Das & Dennis 1998), as many as are no more than
/// `most`. If none of them would be inside, a smaller simplex is added, as Deb & Jain do.
pub fn directions(objectives: usize, most: usize) -> Vec<Vec<f64>> {
    if objectives == 1 {
        return vec![vec![1.0]];
    }
    let layer = |left: usize| {
        let mut divisions = 1;
        while count(objectives, divisions + 1) <= left {
            divisions += 1;
        }
        divisions
    };
    let outer = layer(most);
    let mut all = simplex(objectives, outer);
    if outer < objectives && all.len() + objectives <= most {
        let inner = layer(most - all.len()).min(outer - 1).max(1);
        let centre = 0.5 / objectives as f64;
        let shrunk = simplex(objectives, inner).into_iter();
        all.extend(shrunk.map(|one| one.iter().map(|x| 0.5 * x + centre).collect()));
    }
    all
}

/// How many points a simplex has: (divisions + objectives − 1) choose (objectives − 1).
fn count(objectives: usize, divisions: usize) -> usize {
    (1..objectives).fold(1, |count: usize, k| count.saturating_mul(divisions + k) / k)
}

fn simplex(objectives: usize, divisions: usize) -> Vec<Vec<f64>> {
    let mut all = Vec::new();
    fill(&mut vec![0; objectives], 0, divisions, &mut |parts: &[usize]| {
        all.push(parts.iter().map(|part| *part as f64 / divisions as f64).collect());
    });
    all
}

/// All ways to share `left` among the parts from `at` on.
fn fill(parts: &mut Vec<usize>, at: usize, left: usize, found: &mut dyn FnMut(&[usize])) {
    if at + 1 == parts.len() {
        parts[at] = left;
        return found(parts);
    }
    for part in 0..=left {
        parts[at] = part;
        fill(parts, at + 1, left - part, found);
    }
}

/// All points, those first that survive if `survivors` do. `tie` decides between equals.
pub(super) fn order(
    points: &Points,
    fronts: &[Vec<u32>],
    survivors: usize,
    rng: &mut Stream,
    tie: impl Fn(u32, u32) -> Ordering + Copy,
) -> Vec<u32> {
    let mut order = Vec::with_capacity(points.len());
    for front in fronts {
        let mut sorted = front.clone();
        sorted.sort_unstable_by(|a, b| tie(*a, *b));
        let free = survivors.saturating_sub(order.len());
        if free > 0 && free < sorted.len() {
            let chosen = choose(points, &fronts[0], &order, &sorted, survivors, rng);
            let rest: Vec<u32> = sorted.iter().copied().filter(|at| !chosen.contains(at)).collect();
            order.extend(chosen);
            order.extend(rest);
        } else {
            order.extend(sorted);
        }
    }
    order
}

/// A point with the direction that it is nearest to, and how far from it it is.
#[derive(Clone, Copy)]
struct Niche {
    at: u32,
    direction: usize,
    distance: f64,
}

/// Those of the last front that join the points of better fronts. A direction with the fewest
/// points gets the next one, the one that is nearest to it.
fn choose(
    points: &Points,
    first: &[u32],
    better: &[u32],
    last: &[u32],
    survivors: usize,
    rng: &mut Stream,
) -> Vec<u32> {
    let directions = directions(points.width(), survivors);
    let space = Space::new(points, first, better, last);
    let niche = |at: &u32| nearest(*at, &space.normalised(points.row(*at as usize)), &directions);
    let mut counts = vec![0usize; directions.len()];
    better.iter().for_each(|at| counts[niche(at).direction] += 1);
    let mut waiting: Vec<Vec<Niche>> = vec![Vec::new(); directions.len()];
    for one in last.iter().map(niche) {
        waiting[one.direction].push(one);
    }
    // the nearest last; equals by their order in `last`
    waiting.iter_mut().for_each(|one| {
        one.reverse();
        one.sort_by(|a, b| b.distance.total_cmp(&a.distance));
    });
    let mut chosen = Vec::new();
    while better.len() + chosen.len() < survivors {
        let open: Vec<usize> = (0..counts.len()).filter(|at| !waiting[*at].is_empty()).collect();
        let fewest = open.iter().map(|at| counts[*at]).min().unwrap_or(0);
        let least: Vec<usize> = open.into_iter().filter(|at| counts[*at] == fewest).collect();
        let Some(&direction) = rng.pick(&least) else { break };
        counts[direction] += 1;
        chosen.extend(waiting[direction].pop().map(|niche| niche.at));
    }
    chosen
}

fn nearest(at: u32, point: &[f64], directions: &[Vec<f64>]) -> Niche {
    let length: f64 = point.iter().map(|x| x * x).sum();
    let distance = |direction: &Vec<f64>| {
        let along: f64 = point.iter().zip(direction).map(|(x, w)| x * w).sum();
        let square: f64 = direction.iter().map(|w| w * w).sum();
        length - along * along / square
    };
    let niche = |(direction, distance)| Niche { at, direction, distance };
    let all = (0..).zip(directions).map(|(nth, one)| niche((nth, distance(one))));
    let nearer = |a: Niche, b: Niche| if b.distance < a.distance { b } else { a };
    all.reduce(nearer).expect("there are directions")
}

/// The space of objectives with the best of all points at 0, and the plane through the extreme
/// points at 1 on each axis.
struct Space {
    ideal: Vec<f64>,
    spans: Vec<f64>,
}

impl Space {
    fn new(points: &Points, first: &[u32], better: &[u32], last: &[u32]) -> Space {
        let width = points.width();
        let all: Vec<&[f64]> =
            better.iter().chain(last).map(|at| points.row(*at as usize)).collect();
        let best = |objective: usize| all.iter().map(|row| row[objective]).fold(f64::MIN, f64::max);
        let ideal: Vec<f64> = (0..width).map(best).collect();
        let loss = |row: &[f64]| -> Vec<f64> {
            ideal.iter().zip(row).map(|(ideal, x)| (ideal - x).min(f64::MAX)).collect()
        };
        let losses: Vec<Vec<f64>> = all.iter().map(|row| loss(row)).collect();
        let worst = |objective: usize| {
            let of_first = first.iter().map(|at| loss(points.row(*at as usize))[objective]);
            of_first.fold(0.0, f64::max)
        };
        let spans = intercepts(&losses, width).unwrap_or_else(|| (0..width).map(worst).collect());
        Space { ideal, spans }
    }

    fn normalised(&self, row: &[f64]) -> Vec<f64> {
        let scaled = |((ideal, x), span): ((&f64, &f64), &f64)| (ideal - x) / span.max(1.0e-12);
        self.ideal.iter().zip(row).zip(&self.spans).map(scaled).collect()
    }
}

/// Where the plane through the extreme points meets each axis, if it does on the side of the
/// points. Extreme along an axis is the point whose largest loss is the smallest, where losses off
/// the axis count a million times.
fn intercepts(losses: &[Vec<f64>], width: usize) -> Option<Vec<f64>> {
    let achievement = |row: &[f64], axis: usize| {
        let weighted = |(at, x): (usize, &f64)| if at == axis { *x } else { x * 1.0e6 };
        row.iter().enumerate().map(weighted).fold(0.0, f64::max)
    };
    let extreme = |axis: usize| {
        let smaller = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0);
        let all = losses.iter().enumerate().map(|(at, row)| (achievement(row, axis), at));
        // of equals the one with the smaller numbers, whatever order they stand in
        let by_row = |a: &(f64, usize), b: &(f64, usize)| {
            smaller(a, b)
                .then_with(|| losses[a.1].partial_cmp(&losses[b.1]).unwrap_or(Ordering::Equal))
        };
        all.min_by(by_row).map(|best| losses[best.1].clone())
    };
    let rows: Vec<Vec<f64>> = (0..width).map(extreme).collect::<Option<_>>()?;
    let plane = solve(rows)?;
    let meets = |x: &f64| Some(1.0 / x).filter(|span| span.is_finite() && *span > 1.0e-6);
    plane.iter().map(meets).collect()
}

/// x of A x = 1, by elimination with the largest pivot; `None` where A is singular.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let width = rows.len();
    rows.iter_mut().for_each(|row| row.push(1.0));
    for column in 0..width {
        let largest = |a: &usize, b: &usize| {
            rows[*a][column].abs().total_cmp(&rows[*b][column].abs()).then(b.cmp(a))
        };
        let pivot = (column..width).max_by(largest)?;
        rows.swap(column, pivot);
        let head = rows[column].clone();
        if head[column].abs() < 1.0e-12 {
            return None;
        }
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / head[column];
            row.iter_mut().zip(&head).for_each(|(x, h)| *x -= factor * h);
        }
    }
    let mut found = vec![0.0; width];
    for at in (0..width).rev() {
        let known: f64 = (at + 1..width).map(|k| rows[at][k] * found[k]).sum();
        found[at] = (rows[at][width] - known) / rows[at][at];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Purpose;

    #[test]
    fn the_number_of_directions_is_that_of_the_paper() {
        // Deb & Jain 2014, table I
        for (objectives, most, expected) in
            [(3, 92, 91), (5, 212, 210), (8, 156, 156), (10, 276, 275), (15, 136, 135)]
        {
            let all = directions(objectives, most);
            assert_eq!(all.len(), expected, "{objectives} objectives");
            assert!(all.iter().all(|one| (one.iter().sum::<f64>() - 1.0).abs() < 1e-12));
        }
    }

    #[test]
    fn the_plane_through_the_extreme_points_gives_the_scale() {
        let losses = [vec![4.0, 0.0], vec![0.0, 2.0], vec![1.0, 0.5]];
        assert_eq!(intercepts(&losses, 2), Some(vec![4.0, 2.0]));
        assert_eq!(intercepts(&losses[..1], 2), None);
        assert_eq!(solve(vec![vec![0.0, 2.0], vec![4.0, 4.0]]), Some(vec![-0.25, 0.5]));
    }

    #[test]
    fn survivors_are_spread_over_the_directions() {
        // an arc of 100 points, of which eleven survive
        let numbers: Vec<f64> = (0..100)
            .flat_map(|n| {
                let (sin, cos) = libm::sincos(f64::from(n) / 99.0 * std::f64::consts::FRAC_PI_2);
                [cos, sin]
            })
            .map(|x| -x)
            .collect();
        let points = Points::new(&numbers, 2);
        let front: Vec<u32> = (0..100).collect();
        let mut rng = Stream::new(1, Purpose::Niches, 0, 0);
        let all = order(&points, &[front], 11, &mut rng, |a, b| a.cmp(&b));
        let mut kept = all[..11].to_vec();
        kept.sort_unstable();
        assert_eq!((kept[0], kept[10]), (0, 99));
        assert!(kept.windows(2).all(|pair| (5..15).contains(&(pair[1] - pair[0]))), "{kept:?}");
        let mut whole = all.clone();
        whole.sort_unstable();
        assert!(whole.into_iter().eq(0..100));
    }
}
